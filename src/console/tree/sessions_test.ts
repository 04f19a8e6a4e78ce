import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { sessionsNode, sessionsTable } from "./sessions.ts";

/** Rows of `sessions` as objects. */
function shown(fake: FakeParts): Record<string, unknown>[] {
  const { columns, rows } = sessionsTable(fake.parts);
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
}

Deno.test("sessionsTable says what each session does, in the words of pg_stat_activity", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  const servers = [
    fakeServer(1, { owed: { settled: false } }),
    fakeServer(2, { txStatus: 0x54 }), // 'T'
    fakeServer(3, { txStatus: 0x45 }), // 'E'
    fakeServer(4),
  ];
  fake.addSession(1, pool, { waiting: true });
  fake.addSession(2, pool);
  servers.forEach((server, index) => fake.addSession(3 + index, pool, { server, held: server }));
  deepEqual(shown(fake).map(({ state, server }) => [state, server]), [
    ["waiting", null],
    ["idle", null],
    ["active", 501],
    ["idle in transaction", 502],
    ["idle in transaction (aborted)", 503],
    ["idle", 504],
  ]);
});

Deno.test("sessionsTable shows waiting, pins, the address and the application's name", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  fake.clock.advance(10_000);
  fake.addSession(1, pool, {
    waiting: true,
    waitingSinceMs: 8500,
    pins: ["LISTEN"],
    pinned: { sinceMs: 0, statement: null },
    settings: { values: new Map([["application_name", "\xc3\xa9"]]) },
    facts: { peer: { host: "::1", port: 9 } },
  });
  fake.addSession(2, pool, { facts: { applicationName: "psql", peer: { host: "/run", port: 0 } } });
  const [first, second] = shown(fake);
  deepEqual(
    [first!["wait_ms"], first!["since"], first!["pinned"], first!["pinned_since"]],
    [1500, "2023-11-14 22:13:28 UTC", "LISTEN", "2023-11-14 22:13:20 UTC"],
  );
  deepEqual([first!["application_name"], first!["address"]], ["é", "[::1]:9"]);
  deepEqual([second!["application_name"], second!["address"], second!["pinned"]], ["psql", "/run", null]);
});

Deno.test("sessionsNode has below each id its row and the options that hold", () => {
  const fake = new FakeParts();
  const session = fake.addSession(7, fake.addPool());
  session.options.set("tag", "batch");
  const node = sessionsNode(fake.parts).child("7")!;
  equal(node.child("user")!.leaf!.value, "alice");
  const tag = node.child("options")!.child("tag")!.leaf!;
  deepEqual([tag.value, tag.source], ["batch", "session"]);
  equal(sessionsNode(fake.parts).child("8"), undefined);
});
