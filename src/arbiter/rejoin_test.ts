import { deepEqual, equal, match, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene, stopped } from "./scene_test.ts";
import type { Inspected } from "./views.ts";

const n1 = primarySays({ timeline: 2, lsn: 9_000n, forks: [[1, 5_000n]] });
const receiver = { status: "streaming", timeline: 2, fromHost: "10.0.0.1", fromPort: 5432, heardAgeMs: 1 };
const n3: Inspected = inspected({ timeline: 2, lsn: 9_000n, receiver });

const running = { node: "n2", state: "running", reason: "it was the primary", startedAtMs: 0 } as const;

function scene(options: ConstructorParameters<typeof Scene>[0] = {}): Scene {
  const { nodes, ...rest } = options ?? {};
  return new Scene({
    stored: record({ timeline: 2 }),
    ...rest,
    nodes: { n1, n3, n2: primarySays(), ...nodes },
  });
}

Deno.test("rejoin rewinds an old primary behind a checkpoint of the new one, and accepts it when it streams", () => {
  const one = scene({ changed: { fence: "off" } });
  one.pass(1_000);
  deepEqual(one.done.slice(1, 5), ["epoch 7 serving n1", "rejoinState n2", "checkpoint n1", "rejoin n2"]);
  equal(one.record?.rejoins[0]?.mode, "rewind");
  one.nodes["n2"] = { ...n3, isFenced: true };
  one.pass(2_000);
  ok(one.done.includes("unfence n2"));
  deepEqual(one.record?.rejoins, []);
});

Deno.test("rejoin by hand waits for the command, and refuses what cannot be", () => {
  const one = scene({ changed: { rejoin: "manual" } });
  one.pass(1_000);
  equal(one.record?.rejoins.length, 0);
  const say = (node: string) =>
    one.input({ kind: "command", id: 1, by: "me", command: { kind: "rejoin", node } });
  say("n1");
  say("n3");
  say("n9");
  one.pass(200);
  match(one.answers.join("\n"), /n1 is the primary\n.*n3 follows the primary\n.*there is no node n9/);
  say("n2");
  one.pass(500);
  equal(one.record?.rejoins[0]?.node, "n2");
});

Deno.test("rejoin says what a person must do where SQL cannot", () => {
  for (
    const [changed, text] of [[{ canRewind: false }, /base backup/], [{ timeline: 2 }, /primary's number/], [
      { canRunPrograms: false },
      /run pg_rewind/,
    ]] as const
  ) {
    const one = scene({ changed: { rejoin: "manual" }, nodes: { n2: primarySays(changed) } });
    one.pass(1_000);
    one.input({ kind: "command", id: 1, by: "me", command: { kind: "rejoin", node: "n2" } });
    one.pass(500);
    match(one.answers[0]!, text);
  }
});

Deno.test("rejoin that fails quarantines the node until an operator asks again", () => {
  const one = scene();
  one.pass(500);
  one.results["rejoinState"] = () => ({ ok: true, state: "failed", reason: "pg_rewind: no" });
  one.pass(3_000);
  equal(one.record?.rejoins[0]?.state, "failed");
  one.nodes["n2"] = primarySays();
  const before = one.done.filter((text) => text === "rejoin n2").length;
  one.pass(5_000);
  equal(one.done.filter((text) => text === "rejoin n2").length, before);
  delete one.results["rejoinState"];
  one.input({ kind: "command", id: 1, by: "me", command: { kind: "rejoin", node: "n2" } });
  one.pass(1_000);
  equal(one.done.filter((text) => text === "rejoin n2").length, before + 1);
});

Deno.test("rejoin that an earlier life has started is waited for, not started again", () => {
  const one = scene();
  one.results["rejoinState"] = () => ({ ok: true, state: "running", reason: "" });
  one.pass(500);
  one.restart();
  one.pass(3_000);
  ok(!one.done.includes("rejoin n2"));
  one.nodes["n2"] = n3;
  one.pass(1_000);
  deepEqual(one.record?.rejoins, []);
});

Deno.test("rejoin whose answer is late does not take the result of a former run for its own", () => {
  const one = scene();
  one.results["rejoin"] = () => ({ ok: false, kind: "unknown", reason: "no answer in time" });
  const tokens = new Set<string>();
  one.results["rejoinState"] = (_, verb) => {
    const token = verb.kind === "rejoinState" ? verb.token : undefined;
    if (!token) return { ok: true, state: "failed", reason: "of a former run" };
    tokens.add(token);
    return { ok: true, state: "none", reason: "" };
  };
  one.pass(5_000);
  ok(one.done.includes("rejoin n2"));
  deepEqual(one.record?.rejoins.map(({ state }) => state), ["running"]);
  // A later run has another one.
  one.restart();
  one.pass(5_000);
  equal(tokens.size, 2);
  for (const token of tokens) match(token, /^[A-Za-z0-9]+$/);
});

Deno.test("rejoin by hand looks at a node itself at which nobody has looked since its rejoin has failed", () => {
  const failed = { node: "n2", mode: "rewind", state: "failed", reason: "no", startedAtMs: 0 } as const;
  const one = scene({
    stored: record({ timeline: 2, rejoins: [failed] }),
    changed: { rejoin: "manual" },
    nodes: { n2: inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null }) },
  });
  one.pass(8_000);
  one.input({ kind: "command", id: 1, by: "me", command: { kind: "rejoin", node: "n2" } });
  one.pass(1_000);
  deepEqual(one.answers.length, 1);
  equal(one.record?.rejoins[0]?.state, "running");
});

Deno.test("rejoin that the primary's move has overtaken is judged anew before anything is done", () => {
  const begin = (n2: Inspected, mode: "rewind" | "standby") => {
    const one = scene({
      stored: record({ timeline: 2, rejoins: [{ ...running, mode }] }),
      changed: { rejoin: "manual" },
      nodes: { n2 },
    });
    one.pass(3_000);
    return one;
  };
  // It was rewound to a primary of timeline 1 when that died, and another node took the same number for its own.
  const twin = begin(primarySays({ timeline: 2, forks: [[1, 4_000n]] }), "rewind");
  ok(!twin.done.includes("rejoin n2"));
  match(twin.record!.rejoins[0]!.reason, /primary's number/);
  equal(twin.record!.rejoins[0]!.state, "failed");
  // It only had to follow, and is beyond the fork now.
  const beyond = begin(inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null }), "standby");
  ok(beyond.done.includes("rejoin n2"));
  equal(beyond.record!.rejoins[0]!.mode, "rewind");
});

Deno.test("rejoin of a node that is to stay as it is looks at it again when it does not receive from anybody any more", () => {
  const one = scene({
    stored: record({ timeline: 2, rejoins: [{ ...running, mode: "standby" }] }),
    changed: { rejoin: "manual" },
    nodes: { n2: inspected({ lsn: 4_000n, replayLsn: 4_000n, receiver: null }) },
  });
  one.results["freeze"] = () => {
    // From the old primary, until then.
    one.nodes["n2"] = inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null });
    return stopped({ lsn: 6_000n, replayLsn: 6_000n });
  };
  one.pass(3_000);
  deepEqual(one.done.filter((text) => text === "freeze n2" || text === "rejoin n2"), [
    "freeze n2",
    "rejoin n2",
  ]);
  equal(one.record?.rejoins[0]?.mode, "rewind");
});
