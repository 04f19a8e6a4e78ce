import { strictEqual as equal } from "node:assert/strict";
import type { CommitNote } from "../backend/mod.ts";
import { type CommitTraces, decideCommit, forkIn, holdsMarker } from "./commit_truth.ts";

const NOTE: CommitNote = { xid: "1000", lsn: "0/3000100", timeline: 2, marker: "abc" };

const traces = (over: Partial<CommitTraces>): CommitTraces => ({
  timeline: 2,
  fork: null,
  status: null,
  marked: false,
  ...over,
});

const HERE = 0x3000100n;

Deno.test("decideCommit says what is certain, and nothing else", () => {
  const cases: readonly [Partial<CommitTraces>, ReturnType<typeof decideCommit>][] = [
    // Another timeline: what counts is whether the note's record is in front of the fork.
    [{ timeline: 3, fork: HERE - 1n, status: "committed" }, "rolled back"],
    [{ timeline: 3, fork: HERE, status: "aborted" }, "rolled back"],
    [{ timeline: 3, fork: HERE + 500n, status: "committed" }, "committed"],
    [{ timeline: 5, fork: HERE + 500n, status: "aborted" }, "rolled back"],
    [{ timeline: 3, fork: HERE + 500n, status: "in progress" }, "again"],
    [{ timeline: 3, fork: HERE + 500n, status: "future" }, "unknown"],
    [{ timeline: 3, fork: HERE + 500n, status: null }, "unknown"],
    [{ timeline: 3, fork: null, status: "committed" }, "unknown"],
    // An older one is not what was committed on.
    [{ timeline: 1, fork: HERE + 500n, status: "committed", marked: true }, "unknown"],
    // The same: the number may be another transaction's, which only matters where that was committed.
    [{ status: "committed", marked: true }, "committed"],
    [{ status: "committed", marked: false }, "unknown"],
    [{ status: "aborted" }, "rolled back"],
    [{ status: "future" }, "rolled back"],
    [{ status: "in progress" }, "again"],
    [{ status: null, marked: true }, "unknown"],
  ];
  for (const [over, verdict] of cases) {
    equal(decideCommit(NOTE, traces(over)), verdict, JSON.stringify(over, replacer));
  }
});

const replacer = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value;

Deno.test("decideCommit knows nothing of a transaction without a number, or with a place that is none", () => {
  equal(decideCommit({ ...NOTE, xid: null }, traces({ status: "aborted" })), "unknown");
  equal(decideCommit({ ...NOTE, lsn: "x" }, traces({ status: "aborted" })), "unknown");
});

Deno.test("forkIn finds where a timeline ended in a history file", () => {
  const history = "1\t0/3000148\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n";
  equal(forkIn(history, 1), 0x3000148n);
  equal(forkIn(history, 2), 0x1_0000_00a0n);
  equal(forkIn(history, 3), null);
  equal(forkIn(history, 12), null);
  equal(forkIn("", 1), null);
});

const hexOf = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
const MARKER = [..."marker0123"].map((character) => character.charCodeAt(0));

Deno.test("holdsMarker finds a marker in front of a place, also across the head of a page", () => {
  const whole = [...new Array(50).fill(0), ...MARKER, 0, 0];
  equal(holdsMarker(hexOf(whole), 5000, "marker0123"), true);
  equal(holdsMarker(hexOf(whole), 5000, "marker0124"), false);
  equal(holdsMarker("", 0, "marker0123"), false);
  // Six bytes of it stand in front of the page that begins at 16384, whose head has 24.
  const head = new Array(24).fill(0xff);
  const split = [...new Array(30).fill(0), ...MARKER.slice(0, 6), ...head, ...MARKER.slice(6)];
  equal(holdsMarker(hexOf(split), 16384 + 28, "marker0123"), true);
  equal(holdsMarker(hexOf(split), 16384 + 27, "marker0123"), false);
});
