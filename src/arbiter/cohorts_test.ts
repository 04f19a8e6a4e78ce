import { deepEqual, equal } from "node:assert/strict";
import { earlierNames, noteNames } from "./cohorts.ts";
import type { ClusterRecord } from "./record.ts";
import { primarySays, record } from "./scene_test.ts";
import type { Replica } from "./views.ts";

const any = (...names: string[]) => ({ method: "any", k: 1, names } as const);
const replica = (name: string, flushLsn: bigint, state = "streaming"): Replica => ({
  name,
  state,
  syncState: "async",
  flushLsn,
  replayLsn: flushLsn,
});

Deno.test("noteNames keeps the names of before until the present ones have what those have acknowledged", () => {
  const says = (lsn: bigint, ...replicas: Replica[]) =>
    primarySays({ synchronous: any("n3"), lsn, replicas });
  const before = record({ synchronous: any("n2") });
  equal(noteNames(before, primarySays({ synchronous: any("n2") })), null);
  const changed = noteNames(before, says(100n, replica("n3", 100n)))!;
  deepEqual([changed.synchronous, changed.earlier], [any("n3"), [{ synchronous: any("n2"), lsn: null }]]);
  const known = noteNames(changed, says(120n, replica("n3", 110n), replica("n2", 120n)))!;
  deepEqual(known.earlier, [{ synchronous: any("n2"), lsn: 120n }]);
  equal(noteNames(known, says(150n, replica("n3", 119n))), null);
  equal(noteNames(known, says(150n, replica("n3", 150n, "catchup"))), null);
  deepEqual(noteNames(known, says(150n, replica("n3", 120n)))!.earlier, []);
});

Deno.test("noteNames waits for each standby that streams where nobody has to acknowledge any more, and for none where none does", () => {
  const known: ClusterRecord = record({ earlier: [{ synchronous: any("n2"), lsn: 100n }] });
  equal(noteNames(known, primarySays({ replicas: [replica("n2", 100n), replica("n3", 90n)] })), null);
  deepEqual(
    noteNames(known, primarySays({ replicas: [replica("n2", 100n), replica("n3", 100n)] }))!.earlier,
    [],
  );
  deepEqual(noteNames(known, primarySays())!.earlier, []);
});

Deno.test("noteNames counts each name once, and any standby for *", () => {
  const earlier = [{ synchronous: null, lsn: 100n }];
  const two = { method: "any", k: 2, names: ["*"] } as const;
  const says = (...replicas: Replica[]) =>
    noteNames(record({ synchronous: two, earlier }), primarySays({ synchronous: two, replicas }));
  equal(says(replica("a", 100n), replica("a", 100n)), null);
  deepEqual(says(replica("a", 100n), replica("b", 100n))!.earlier, []);
});

Deno.test("earlierNames has what was said and is not recorded yet, of the same timeline", () => {
  const stored = record({ synchronous: any("n2"), earlier: [{ synchronous: null, lsn: 5n }] });
  deepEqual(earlierNames(stored, primarySays({ synchronous: any("n3") })), [
    { synchronous: null, lsn: 5n },
    { synchronous: any("n3"), lsn: null },
  ]);
  for (const said of [null, primarySays({ synchronous: any("n2") }), primarySays({ timeline: 9 })]) {
    deepEqual(earlierNames(stored, said), stored.earlier);
  }
  deepEqual(earlierNames(record(), null), []);
});
