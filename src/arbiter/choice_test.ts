import { deepEqual, equal, match } from "node:assert/strict";
import { type ChoiceParts, choose, type Recruit } from "./choice.ts";
import { RULES } from "./rules.ts";

function recruit(name: string, lsn: number, changed: Partial<Recruit> & { timeline?: number } = {}): Recruit {
  const { timeline = 1, ...rest } = changed;
  const frozen = { lsn: BigInt(lsn), replayLsn: BigInt(lsn), timeline, isReplayed: true, xidWatermark: null };
  return {
    name,
    frozen,
    forks: timeline === 1 ? [] : [[1, BigInt(lsn)]],
    isUp: true,
    promote: true,
    priority: 100,
    isDelayed: false,
    isQuarantined: false,
    ...rest,
  };
}

function parts(recruits: readonly Recruit[], changed: Partial<ChoiceParts> = {}): ChoiceParts {
  return {
    recruits,
    names: new Map(["n1", "n2", "n3", "n4"].map((name) => [name, name])),
    from: "n1",
    timeline: 1,
    synchronous: null,
    earlier: [],
    lastLsn: 1_000n,
    abandoned: [],
    target: null,
    isForced: false,
    maxLagBytes: 100,
    rules: RULES,
    ...changed,
  };
}

const chosen = (given: ChoiceParts) => {
  const choice = choose(given);
  return choice.kind === "chosen" ? [choice.recruit.name, choice.lostBytes] : choice.why;
};

Deno.test("choose takes who has most, then who has priority, then the first name", () => {
  deepEqual(chosen(parts([recruit("n2", 950), recruit("n3", 960)])), ["n3", 40n]);
  deepEqual(chosen(parts([recruit("n2", 950), recruit("n3", 950, { priority: 200 })])), ["n3", 50n]);
  deepEqual(chosen(parts([recruit("n3", 950), recruit("n2", 950)])), ["n2", 50n]);
});

Deno.test("choose leaves out who may not be promoted, is dead, delayed, or on another timeline", () => {
  const out: Partial<Recruit>[] = [{ promote: false }, { isUp: false }, { isDelayed: true }];
  for (const why of [...out, { timeline: 2 }]) {
    deepEqual(chosen(parts([recruit("n2", 990, why), recruit("n3", 950)])), ["n3", 50n], JSON.stringify(why));
  }
  match(String(chosen(parts([]))), /none has stopped receiving/);
});

Deno.test("choose takes who has followed a candidate that died behind its promotion, by what it has of the primary's timeline", () => {
  const follower = (fork: number) => recruit("n2", 2_000, { timeline: 2, forks: [[1, BigInt(fork)]] });
  const abandoned = ["n4"];
  const of = (fork: number, given: Partial<ChoiceParts> = {}) =>
    chosen(parts([recruit("n3", 950, { priority: 200 }), follower(fork)], { abandoned, ...given }));
  deepEqual(of(990), ["n2", 10n]);
  deepEqual(of(950), ["n2", 50n]);
  deepEqual(of(949), ["n3", 50n], "it has begun before n3 had all that it has");
  deepEqual(of(990, { abandoned: [] }), ["n3", 50n], "somebody else has promoted whom it follows");
  const any1 = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  deepEqual(of(990, { synchronous: any1 }), ["n2", 10n]);
  match(String(of(990, { synchronous: any1, abandoned: [] })), /1 of 2 .*: not n2/);
  const unknown = recruit("n2", 2_000, { timeline: 2, forks: [] });
  match(
    String(chosen(parts([recruit("n3", 950), unknown], { abandoned, synchronous: any1 }))),
    /1 of 2 .*: not n2/,
  );
  deepEqual(chosen(parts([recruit("n3", 950), unknown], { abandoned })), ["n3", 50n]);
  const stranger = recruit("n2", 2_000, { timeline: 3, forks: [[2, 900n]] });
  match(String(chosen(parts([stranger], { abandoned }))), /no standby may be promoted/);
});

Deno.test("choose leaves out whose rejoin has failed, unless an operator names it and forces that", () => {
  const torn = recruit("n2", 990, { isQuarantined: true });
  deepEqual(chosen(parts([torn, recruit("n3", 950)])), ["n3", 50n]);
  match(String(chosen(parts([torn]))), /n2 was not made a standby again: say REJOIN/);
  match(String(chosen(parts([torn], { isForced: true }))), /say REJOIN/);
  match(String(chosen(parts([torn], { target: "n2" }))), /say REJOIN/);
  deepEqual(chosen(parts([torn], { target: "n2", isForced: true })), ["n2", 10n]);
});

Deno.test("choose refuses who is too far behind, or nobody knows how far, unless it is forced", () => {
  match(String(chosen(parts([recruit("n2", 899)]))), /n2 is 101 bytes behind: max_failover_lag is 100/);
  match(String(chosen(parts([recruit("n2", 990)], { lastLsn: null }))), /nobody knows how far/);
  deepEqual(chosen(parts([recruit("n2", 1)], { isForced: true })), ["n2", 999n]);
});

Deno.test("choose covers n - k + 1 of the synchronous names, the old primary's own name left out", () => {
  const any1 = { method: "any", k: 1, names: ["n1", "n2", "n3"] } as const;
  match(
    String(chosen(parts([recruit("n2", 990)], { synchronous: any1 }))),
    /1 of 2 synchronous standbys are covered, and must be 2: not n3/,
  );
  deepEqual(chosen(parts([recruit("n2", 990), recruit("n3", 5)], { synchronous: any1 })), ["n2", 10n]);
  const any2 = { method: "any", k: 2, names: ["n1", "n2", "n3", "n4"] } as const;
  deepEqual(chosen(parts([recruit("n2", 990), recruit("n3", 980)], { synchronous: any2 })), ["n2", 10n]);
  match(String(chosen(parts([recruit("n2", 990)], { synchronous: any2 }))), /must be 2/);
  const star = { method: "any", k: 1, names: ["*"] } as const;
  match(String(chosen(parts([recruit("n2", 990)], { synchronous: star }))), /1 of 3/);
});

Deno.test("choose takes a name that is no node's own for that of any which cannot be asked", () => {
  const synchronous = { method: "any", k: 1, names: ["walreceiver"] } as const;
  const names = new Map([["n1", "n1"], ["n2", "walreceiver"], ["n3", "n3"]]);
  const n2 = recruit("n2", 990);
  match(String(chosen(parts([n2], { names, synchronous }))), /0 of 1 .*: not walreceiver/);
  deepEqual(chosen(parts([n2, recruit("n3", 980)], { names, synchronous })), ["n2", 10n]);
  deepEqual(chosen(parts([n2], { names, synchronous: { ...synchronous, names: ["*"], k: 2 } })), ["n2", 10n]);
  // All nodes have the same one, the primary too.
  const same = new Map([["n1", "walreceiver"], ["n2", "walreceiver"], ["n3", "walreceiver"]]);
  match(String(chosen(parts([n2], { names: same, synchronous }))), /0 of 1 .*: not walreceiver/);
  // Each has one of its own, which is not the node's name, and a third one is known by another.
  const other = new Map([["n1", "pg-n1"], ["n2", "walreceiver"], ["n3", "pg-n3"]]);
  deepEqual(chosen(parts([n2], { names: other, synchronous })), ["n2", 10n]);
  const own = { ...synchronous, names: ["n2"] };
  deepEqual(chosen(parts([recruit("n2", 990)], { synchronous: own })), ["n2", 10n]);
});

Deno.test("choose takes names for one as PostgreSQL does, whatever their case", () => {
  const synchronous = { method: "any", k: 1, names: ["N2", "N3"] } as const;
  match(String(chosen(parts([recruit("n2", 990)], { synchronous }))), /1 of 2 .*: not N3/);
  deepEqual(chosen(parts([recruit("n2", 990), recruit("n3", 980)], { synchronous })), ["n2", 10n]);
  // n3 acknowledges as n2, too, and has more.
  const names = new Map([["n1", "N1"], ["n2", "n2"], ["n3", "N2"]]);
  const any = { ...synchronous, names: ["n1", "n2"] };
  const both = [recruit("n2", 980), recruit("n3", 990, { promote: false })];
  match(String(chosen(parts(both, { names, synchronous: any }))), /0 of 1 .*: not n2/);
});

Deno.test("choose counts a standby that has died since by what it had when it stopped receiving", () => {
  const any1 = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  const dead = (lsn: number) =>
    parts([recruit("n2", lsn, { isUp: false }), recruit("n3", 950)], { synchronous: any1 });
  deepEqual(chosen(dead(950)), ["n3", 50n]);
  match(String(chosen(dead(951))), /n3 may lack what was acknowledged/);
});

Deno.test("choose does not pass over a standby with more that may not be promoted", () => {
  const any1 = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  const recruits = [recruit("n2", 990, { promote: false }), recruit("n3", 950)];
  match(String(chosen(parts(recruits, { synchronous: any1 }))), /not n2/);
});

Deno.test("choose needs no quorum where the old primary itself is a standby, and is covered", () => {
  const any1 = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  deepEqual(chosen(parts([recruit("n1", 1_200), recruit("n2", 1_200)], { synchronous: any1 })), ["n1", 0n]);
  equal(
    chosen(parts([recruit("n1", 1_200, { isUp: false }), recruit("n2", 1_200)], { synchronous: any1 }))[0],
    "n2",
  );
});

Deno.test("choose heeds the names by which was committed before, unless the chosen one has all of that", () => {
  const names = (...names: string[]) => ({ method: "any", k: 1, names } as const);
  const changed = (lsn: bigint | null) => ({
    synchronous: names("n3"),
    earlier: [{ synchronous: names("n2"), lsn }],
  });
  match(
    String(chosen(parts([recruit("n3", 950)], changed(960n)))),
    /acknowledged before synchronous_standby_names was changed: 0 of 1 .*: not n2/,
  );
  match(String(chosen(parts([recruit("n3", 950)], changed(null)))), /before synchronous_standby_names/);
  deepEqual(chosen(parts([recruit("n3", 960)], changed(960n))), ["n3", 40n]);
  deepEqual(chosen(parts([recruit("n3", 950), recruit("n2", 940)], changed(960n))), ["n3", 50n]);
  deepEqual(chosen(parts([recruit("n3", 950)], { ...changed(960n), isForced: true })), ["n3", 50n]);
  // Asynchronous before: what may be lost of that is what may be lost anyway.
  const before = { synchronous: names("n3"), earlier: [{ synchronous: null, lsn: 990n }] };
  deepEqual(chosen(parts([recruit("n3", 950)], before)), ["n3", 50n]);
  match(String(chosen(parts([recruit("n3", 800)], before))), /replication is asynchronous/);
  // Asynchronous now.
  const now = { synchronous: null, earlier: [{ synchronous: names("n2"), lsn: 990n }] };
  match(String(chosen(parts([recruit("n3", 950)], now))), /not n2/);
});

Deno.test("a standby of a newer timeline, which somebody else has begun, is chosen only where it is named and forced", () => {
  const newer = parts([recruit("n2", 900), recruit("n3", 950, { timeline: 2 })], { lastLsn: null });
  deepEqual(chosen({ ...newer, isForced: true }), ["n2", null]);
  match(`${chosen({ ...newer, target: "n3" })}`, /n3 is on timeline 2, which somebody else has begun/);
  deepEqual(chosen({ ...newer, target: "n3", isForced: true }), ["n3", null]);
  const older = parts([recruit("n2", 900), recruit("n3", 950)], {
    timeline: 2,
    target: "n3",
    isForced: true,
  });
  match(`${chosen(older)}`, /n3 is on timeline 1/);
});
