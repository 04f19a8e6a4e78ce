import { deepStrictEqual as deepEqual } from "node:assert/strict";
import {
  ackOf,
  clusterKey,
  clusterPartOf,
  instanceKey,
  instanceOf,
  leaderOf,
  recordIn,
  recordKey,
  recordValue,
  requestOf,
  seenOf,
  seenValue,
  viewOf,
} from "./values.ts";

function entry(key: string, value: string) {
  return { key, value, createRevision: 1, modRevision: 1 };
}

Deno.test("keys of clusters are taken apart as they were put together", () => {
  deepEqual(clusterPartOf(recordKey("main")), { cluster: "main", folder: "record" });
  deepEqual(clusterPartOf(clusterKey("main", "acks", 3)), { cluster: "main", folder: "acks", name: "3" });
  for (const key of ["instances/1", "clusters/", "clusters/main/what/1", "clusters/main/acks/1/2"]) {
    deepEqual(clusterPartOf(key), null, key);
  }
});

Deno.test("a record of a format that this pgplex does not know is not read", () => {
  deepEqual(recordIn(recordValue('{"epoch":1}')), { record: '{"epoch":1}' });
  deepEqual(recordIn('{"format":2,"record":{"epoch":1}}'), { format: 2 });
  deepEqual(recordIn("what"), { format: null });
});

Deno.test("a position reads as it was written, and one that is none, or of an earlier version, counts as none", () => {
  const seen = { primary: "n1", timeline: 3, lsn: 2n ** 63n };
  const ack = { incarnation: "a", epoch: 2, isDrained: true };
  deepEqual(seenOf(ackOf(JSON.stringify({ ...ack, seen: seenValue(seen) }))?.seen), seen);
  deepEqual(seenOf(ackOf(JSON.stringify(ack))?.seen), null);
  deepEqual(seenValue(null), null);
  for (const lsn of ["0/5", "-1", 5, null, "9".repeat(21)]) deepEqual(seenOf({ ...seen, lsn }), null);
  deepEqual(seenOf({ ...seen, lsn: "5", timeline: "3" }), null);
  deepEqual(seenOf("5"), null);
});

Deno.test("what is damaged counts as nothing", () => {
  const instance = {
    incarnation: "a",
    name: "h",
    address: null,
    version: "1",
    sinceMs: 1,
    counter: 1,
    isGone: false,
  };
  deepEqual(instanceOf(entry(instanceKey(7), JSON.stringify(instance))), { ...instance, id: 7 });
  deepEqual(instanceOf(entry("instances/x", JSON.stringify(instance))), null);
  deepEqual(instanceOf(entry(instanceKey(7), "{")), null);
  deepEqual(leaderOf(entry("leader", '{"id":1,"incarnation":"a"}')), { id: 1, incarnation: "a" });
  deepEqual(leaderOf(null), null);
  deepEqual(ackOf('{"incarnation":"a","epoch":"2","isDrained":true}'), null);
  deepEqual(viewOf('{"incarnation":"a","healths":null}'), null);
  deepEqual(requestOf("[]"), null);
});
