import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { judge, type Judgement, NO_REIGN, type ObservedNode, type Reign } from "./reign.ts";

/**
 * A node in short: `p3` says primary on timeline 3, `s3` standby that receives timeline 3, `s-` one that receives nothing, `?` has never answered;
 * then its health (up unless said), and after `@` its system (A unless said).
 */
function node(name: string, text: string): ObservedNode {
  const [, what, tli, health, system] = /^([ps?])(\d+|-)?(?: (\w+))?(?:@(\w+))?$/.exec(text)!;
  const answer = what === "?" ? null : {
    sentMs: 0,
    latencyMs: 1,
    recovering: what === "s",
    system: system ?? "A",
    version: 180000,
    timeline: tli === undefined || tli === "-" ? null : Number(tli),
    lsn: 1n,
    replayLsn: 1n,
    streaming: tli !== "-",
    slotsUsed: 0,
    slotsMax: 10,
    receiver: null,
    replicas: [],
    synchronousNames: "",
    hasSchema: false,
    load: null,
  };
  const state = {
    health: (health ?? (what === "?" ? "unknown" : "up")) as ObservedNode["state"]["health"],
    reason: "why",
    silentMs: null,
    refusedMs: null,
  };
  return { name, state, answer };
}

const nodes = (...texts: string[]) => texts.map((text, index) => node(`n${index + 1}`, text));

/** A judgement in short: phase or why it holds, epoch, and each node: role, or what is wrong with it. */
function short({ phase, hold, reign, verdicts }: Judgement): string {
  const each = verdicts.map(({ role, health, stale }) =>
    stale ? "stale" : health === "foreign" ? "foreign" : role
  );
  return `${hold?.kind ?? phase} ${reign.epoch}: ${each.join(" ")}`;
}

/** Judges one observation behind the other. */
function play(...steps: readonly (readonly [expected: string, ...nodes: string[]])[]): Reign {
  let reign = NO_REIGN;
  for (const [expected, ...texts] of steps) {
    const judgement = judge(reign, nodes(...texts), true);
    equal(short(judgement), expected, texts.join(", "));
    ({ reign } = judgement);
  }
  return reign;
}

Deno.test("judge finds the primary wherever it stands in the file", () => {
  play(["serving 1: standby primary standby", "s1", "p1", "s1"]);
  play(["serving 1: primary standby", "p1", "s-"]);
});

Deno.test("judge serves a primary though nodes are missing, or refuse pgplex", () => {
  play(["serving 1: unknown primary unknown", "? down", "p1", "? unknown"]);
});

Deno.test("judge decides nothing before the nodes had the time to answer", () => {
  const judgement = judge(NO_REIGN, nodes("?", "p1"), false);
  deepEqual([judgement.phase, judgement.hold?.kind, judgement.reign.system], ["holding", "asking", null]);
});

Deno.test("judge holds where all are standbys, and follows the one that is promoted", () => {
  play(
    ["standbys 1: standby standby", "s1", "s1"],
    ["serving 1: standby primary", "s1", "p2"],
  );
  play(
    ["serving 1: primary standby standby", "p1", "s1", "s1"],
    ["serving 1: primary standby standby", "p1 suspect", "s1", "s1"],
    ["down 1: primary standby standby", "p1 down", "s-", "s-"],
    ["serving 2: unknown standby primary", "p1 down", "s-", "p2"],
    ["serving 2: standby standby primary", "s2", "s2", "p2"],
    ["serving 3: primary standby stale", "p3", "s3", "p2"],
  );
});

Deno.test("judge follows at once where another one was promoted beside a primary that is well", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["serving 2: stale primary", "p1", "p2"],
  );
});

Deno.test("judge keeps a primary that is suspect, or refuses pgplex's login", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["serving 1: primary standby", "p1 suspect", "s1"],
    ["serving 1: primary standby", "p1 unknown", "s1"],
  );
});

Deno.test("judge waits for a primary that starts, whoever else says the same timeline", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["starting 1: primary standby", "p1 starting", "s-"],
    ["starting 1: primary stale", "p1 starting", "p1"],
    ["serving 1: primary standby", "p1", "s1"],
  );
});

Deno.test("judge never serves a primary of a lower timeline than was seen: an old one that came back", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["serving 2: unknown primary", "p1 down", "p2"],
    ["down 2: stale primary", "p1", "p2 down"],
  );
  // A standby's word is enough: somebody on timeline 2 has sent it what it receives.
  play(["stale 1: stale standby unknown", "p1", "s2", "? down"]);
});

Deno.test("judge lets the one stay that serves where two say the same timeline", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["serving 1: primary stale", "p1", "p1"],
  );
  play(
    ["serving 1: standby primary", "s1", "p1"],
    ["serving 1: stale primary", "p1", "p1"],
    ["serving 2: primary unknown", "p1", "p1 down"], // its data may live on elsewhere
  );
});

Deno.test("judge takes the system that most nodes have, of as many a primary's, and calls the others foreign", () => {
  play(["serving 1: foreign standby primary", "p9@B", "s1", "p1"]);
  play(["serving 1: foreign primary", "s1", "p1@B"]);
  play(["serving 1: primary foreign", "p1", "p7@B"]);
  play(
    ["serving 1: primary foreign", "p1", "p7@B"],
    ["down 1: primary foreign", "p1 down", "p7@B"],
  );
});

Deno.test("judge takes another system where no node has the old one and more than half agree, as behind pg_upgrade", () => {
  play(
    ["serving 1: primary standby", "p4", "s4"],
    ["foreign 1: foreign unknown", "p1@B", "? down"], // the other one may be the cluster's
  );
  play(
    ["serving 1: primary standby", "p4", "s4"],
    ["serving 2: primary standby", "p1@B", "s1@B"],
  );
});

Deno.test("judge says why a cluster holds", () => {
  play(["denied 1: unknown unknown", "? unknown", "? unknown"]);
  play(["down 1: unknown unknown", "? down", "? unknown"]);
  play(["starting 1: standby unknown", "s1", "? starting"]);
  const { hold } = judge(NO_REIGN, nodes("s1", "? down"), true);
  equal(hold?.reason, "n1 is a standby, n2 is down (why)");
});

Deno.test("judge has a single node as the primary whatever it says", () => {
  play(
    ["serving 1: primary", "?"],
    ["serving 1: primary", "s1"],
    ["serving 1: primary", "p2"],
    ["serving 1: primary", "p2 down"],
    ["serving 1: primary", "p1@B"],
  );
});

Deno.test("judge goes on with the only node's reign when others are added, and with a known primary until it has answered", () => {
  const reign = play(["serving 1: primary", "p3"]);
  equal(short(judge(reign, nodes("p3", "?"), false)), "serving 1: primary unknown");
  const seeded = { ...NO_REIGN, primary: { name: "n2", timeline: null } };
  equal(short(judge(seeded, nodes("?", "?"), false)), "serving 1: unknown primary");
  equal(short(judge(seeded, nodes("p1", "s1"), true)), "serving 2: primary standby");
  equal(short(judge(seeded, nodes("s1", "p1"), true)), "serving 1: standby primary");
});

Deno.test("judge counts another timeline of the same node as another reign", () => {
  play(
    ["serving 1: primary standby", "p1", "s1"],
    ["standbys 1: standby standby", "s1", "s1"],
    ["serving 2: primary standby", "p2", "s2"],
  );
});

Deno.test("judge has at most one primary, which exists and is not foreign, for every two observations of three nodes", () => {
  const kinds = [
    "?",
    "? down",
    "s1",
    "s2",
    "s-",
    "p1",
    "p2",
    "p1 down",
    "p2 suspect",
    "p2 starting",
    "p1@B",
    "s1@B",
  ];
  const triples = kinds.flatMap((a) => kinds.flatMap((b) => kinds.map((c) => [a, b, c])));
  for (const [index, first] of triples.entries()) {
    const one = judge(NO_REIGN, nodes(...first), index % 2 === 0);
    for (let step = 0; step < 12; step++) {
      const second = triples[(index * 31 + step * 145) % triples.length]!;
      const two = judge(one.reign, nodes(...second), true);
      const primaries = two.verdicts.filter(({ role }) => role === "primary");
      const text = `${first} then ${second}`;
      equal(primaries.length <= 1, true, text);
      equal(two.phase === "serving", two.hold === null, text);
      if (two.phase === "serving") equal(primaries.length, 1, text);
      equal(primaries.some(({ health, stale }) => health === "foreign" || stale), false, text);
      equal(two.reign.epoch >= one.reign.epoch, true, text);
    }
  }
});
