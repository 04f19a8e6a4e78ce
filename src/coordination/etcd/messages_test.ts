import assert from "node:assert/strict";
import { Keys, type KeyValue } from "./messages.ts";

const keys = new Keys("/pgplex/");
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function kv(key: string, value: string): KeyValue {
  return {
    key: bytes(key),
    value: bytes(value),
    create_revision: "5",
    mod_revision: "7",
  };
}

Deno.test("keys carry the prefix in etcd and not outside of it", () => {
  assert.equal(text(keys.toEtcd("leader")), "/pgplex/leader");
  assert.equal(keys.fromEtcd(bytes("/pgplex/leader")), "leader");
  assert.equal(keys.fromEtcd(bytes("/other/leader")), undefined);
});

Deno.test("the range of a prefix ends behind its last key, also where its last bytes cannot be raised", () => {
  const { key, range_end } = keys.range("instances/");
  assert.deepEqual([text(key), text(range_end)], ["/pgplex/instances/", "/pgplex/instances0"]);
  // U+00FF is two bytes in UTF-8; none is 255 ever, but for the whole store without a prefix.
  assert.deepEqual(new Keys("").range(""), { key: new Uint8Array(0), range_end: new Uint8Array(1) });
});

Deno.test("a commit becomes a transaction that reads its keys behind its changes, or instead of them", () => {
  const txn = keys.txn(
    [{ key: "leader", createRevision: 0 }, { key: "clusters/main", modRevision: 12 }],
    [
      { kind: "put", key: "leader", value: "1" },
      { kind: "put", key: "note", value: "" },
      { kind: "remove", key: "old" },
    ],
    ["leader"],
  );
  const read = { request_range: { key: bytes("/pgplex/leader") } };
  assert.deepEqual(txn, {
    compare: [
      { key: bytes("/pgplex/leader"), result: 0, target: 1, create_revision: "0" },
      { key: bytes("/pgplex/clusters/main"), result: 0, target: 2, mod_revision: "12" },
    ],
    success: [
      { request_put: { key: bytes("/pgplex/leader"), value: bytes("1") } },
      { request_put: { key: bytes("/pgplex/note"), value: bytes("") } },
      { request_delete_range: { key: bytes("/pgplex/old") } },
      read,
    ],
    failure: [read],
  });
});

Deno.test("what a transaction read is found by its last responses", () => {
  const header = { revision: "9" };
  const { entries } = keys.readIn({
    header,
    succeeded: true,
    responses: [
      {},
      { response_range: { header, kvs: [kv("/pgplex/a", "ä")] } },
      { response_range: { header, kvs: [] } },
    ],
  }, 2);
  assert.deepEqual(entries, [{ key: "a", value: "ä", createRevision: 5, modRevision: 7 }, null]);
  assert.deepEqual(keys.readIn({ header, succeeded: true, responses: [{}] }, 0), { entries: [] });
  const both = keys.readIn(
    {
      header,
      succeeded: true,
      responses: [
        {},
        { response_range: { header, kvs: [] } },
        { response_range: { header, kvs: [kv("/pgplex/i/1", "x"), kv("/pgplex/i/2", "y")] } },
      ],
    },
    1,
    "i/",
  );
  assert.deepEqual([both.entries, [...both.listed!].map(([key, { value }]) => [key, value])], [
    [null],
    [["i/1", "x"], ["i/2", "y"]],
  ]);
});
