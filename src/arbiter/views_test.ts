import { deepEqual, equal } from "node:assert/strict";
import { inspected, primarySays } from "./scene_test.ts";
import { furthest, type Inspected, mayFollow, positionOf } from "./views.ts";

const HISTORY = { forks: [[1, 100n], [2, 200n]] as const, current: 3 };

Deno.test("mayFollow knows a history by the timelines that it has left", () => {
  const cases: [number, bigint, boolean][] = [
    [3, 999n, true],
    [1, 100n, true],
    [1, 101n, false],
    [2, 200n, true],
    [2, 201n, false],
    [4, 1n, false],
  ];
  for (const [timeline, lsn, expected] of cases) {
    const said = inspected({ timeline, lsn, replayLsn: lsn });
    equal(mayFollow(said, said, HISTORY), expected);
    equal(mayFollow({ ...said, timeline: null }, said, HISTORY), expected);
  }
});

Deno.test("mayFollow knows a history that has the same numbers and parted elsewhere", () => {
  const may = (timeline: number, forks: Inspected["forks"], seen: number | null = timeline) => {
    const said = inspected({ timeline, lsn: 90n, replayLsn: 90n, forks });
    return mayFollow({ ...said, timeline: seen }, said, HISTORY);
  };
  const [first, second] = HISTORY.forks;
  equal(may(3, [first, second]), true);
  equal(may(3, [first, [2, 201n]]), false);
  equal(may(3, [first]), false);
  equal(may(2, [[1, 99n]]), false);
  equal(may(2, [[1, 99n]], null), false);
  equal(may(3, [first, second, [7, 300n]]), false);
  // Its history was not read, or is that of another timeline than it has now.
  equal(may(3, []), true);
  equal(may(2, [[1, 99n]], 3), true);
});

Deno.test("mayFollow lets the beginning of a record be whose end never came, beyond a segment of WAL where it can be given one", () => {
  const cut: Partial<Inspected> = { timeline: 1, lsn: 168n, replayLsn: 100n };
  const may = (changed: Partial<Inspected> = {}, fork = 100n) => {
    const said = inspected({ ...cut, ...changed });
    return mayFollow(said, said, { forks: [[1, fork]], current: 2 });
  };
  equal(may(), true);
  // The fork lies behind a page's header.
  equal(may({}, 124n), true);
  // It may have more to replay: whole records that the primary does not have.
  equal(may({ isReplayIdle: false }), false);
  equal(may({ isPaused: true }), false);
  equal(may({ applyDelayMs: 1000 }), false);
  equal(may({ replayLsn: 101n }), false);
  // It has received more since it was looked at.
  equal(mayFollow(inspected({ ...cut, lsn: 200n }), inspected(cut), HISTORY), false);
  const edge = 1n << 20n;
  for (const canRunPrograms of [true, false]) {
    // With programs it is given the segment that it lacks.
    equal(may({ lsn: edge + 8n, replayLsn: edge - 8n, canRunPrograms }, edge - 8n), canRunPrograms);
  }
  equal(may({ lsn: edge - 1n, replayLsn: edge - 8n }, edge - 8n), true);
});

Deno.test("furthest goes by positions of this primary and timeline only", () => {
  const of = { primary: "n1", timeline: 2 };
  const at = (lsn: bigint, other = {}) => ({ ...of, lsn, ...other });
  equal(furthest(of, []), null);
  equal(furthest(of, [null, at(9n, { primary: "n2" }), at(9n, { timeline: 1 })]), null);
  equal(furthest(of, [at(3n), null, at(7n), at(5n), at(9n, { timeline: 3 })])?.lsn, 7n);
});

Deno.test("positionOf takes only the word of the record's primary", () => {
  const record = { primary: "n1", timeline: 1, system: "111" };
  deepEqual(positionOf(record, primarySays()), { primary: "n1", timeline: 1, lsn: 5_000n });
  for (const said of [null, inspected(), primarySays({ timeline: 2 }), primarySays({ system: "112" })]) {
    equal(positionOf(record, said), null);
  }
});
