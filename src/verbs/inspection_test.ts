import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { hostLookCommand, hostStateOf, inspectionSql, parseHistory, parseInspection } from "./inspection.ts";

const TOLD = {
  recovering: true,
  system: "7",
  version: 180004,
  timeline: 2,
  lsn: "0/3000100",
  flush: null,
  replay: "0/30000F0",
  receiver: { status: "streaming", timeline: 2, host: "h", port: 5432, age: 12.5 },
  paused: false,
  idle: true,
  delay: 0,
  rewind: true,
  names: "ANY 1 (a, b)",
  replicas: [["c", "streaming", "async", "0/3000000", null]],
  transactions: 1,
  others: 2,
  prepared: 3,
  directory: "/d",
  history: "1\t0/3000000\tno recovery target specified\n",
  hba: "# fenced by pgplex",
  readonly: false,
  upstream: true,
  signal: true,
  name: [null, "s1", null, "walreceiver"],
  mode: "0700",
};
const RIGHTS = { isSuperuser: true, canRunPrograms: true, askedMs: 5 };

Deno.test("parseInspection reads a standby", () => {
  const found = parseInspection(JSON.stringify(TOLD), RIGHTS);
  deepEqual([found.lsn, found.flushLsn, found.replayLsn], [0x300_0100n, 0x300_0100n, 0x300_00f0n]);
  deepEqual(found.receiver, {
    status: "streaming",
    timeline: 2,
    fromHost: "h",
    fromPort: 5432,
    heardAgeMs: 12.5,
  });
  deepEqual(found.forks, [[1, 0x300_0000n]]);
  deepEqual(found.synchronous, { method: "any", k: 1, names: ["a", "b"] });
  deepEqual(found.replicas, [
    { name: "c", state: "streaming", syncState: "async", flushLsn: 0x300_0000n, replayLsn: null },
  ]);
  equal(found.isFenced, true);
  deepEqual([found.isSetToFollow, found.askedMs, found.standbyName, found.dataDirMode], [
    false,
    5,
    "s1",
    "0700",
  ]);
  equal(parseInspection(JSON.stringify({ ...TOLD, recovering: false }), RIGHTS).isSetToFollow, true);
});

Deno.test("parseInspection takes what the role may not see for nothing, and a primary's position for replayed", () => {
  const { history: _, hba: _hba, readonly: _readonly, upstream: _upstream, ...told } = TOLD;
  const text = JSON.stringify({
    ...told,
    recovering: false,
    flush: "0/3000080",
    receiver: null,
    replicas: null,
  });
  const found = parseInspection(text, { isSuperuser: false, canRunPrograms: false, askedMs: 5 });
  deepEqual([found.flushLsn, found.replayLsn], [0x300_0080n, 0x300_0100n]);
  deepEqual([found.forks, found.replicas, found.isFenced, found.hasUpstream], [[], [], false, false]);
});

Deno.test("inspectionSql asks what only a superuser may as one only", () => {
  match(inspectionSql({ isSuperuser: true }), /pg_read_file/);
  equal(/pg_read_file|pg_file_settings|primary_conninfo/.test(inspectionSql({ isSuperuser: false })), false);
});

Deno.test("parseHistory reads all lines of a history, and comments are none", () => {
  deepEqual(parseHistory("1\t0/5000000\tbecause\n\n# a comment\n2\tA/10\tx\n"), [[1, 0x500_0000n], [
    2,
    0xa_0000_0010n,
  ]]);
  deepEqual(parseHistory(""), []);
});

Deno.test("hostStateOf reads what the command says by its exit code", () => {
  deepEqual(hostStateOf(0), { isModeSafe: true, hasRewind: true });
  deepEqual(hostStateOf(65), { isModeSafe: false, hasRewind: true });
  deepEqual(hostStateOf(66), { isModeSafe: true, hasRewind: false });
  deepEqual([hostStateOf(1), hostStateOf(127)], [null, null]);
  match(hostLookCommand("/d d", "/b"), /ls -ld '\/d d'/);
});
