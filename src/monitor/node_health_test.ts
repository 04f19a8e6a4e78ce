import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { afterOutcome, afterTime, type HealthState, lapsesAtMs, UNASKED } from "./node_health.ts";
import type { Outcome } from "./outcome.ts";
import type { NodeAnswer } from "./sample.ts";

const ANSWER: NodeAnswer = {
  sentMs: 0,
  latencyMs: 1,
  recovering: false,
  system: "1",
  version: 180000,
  timeline: 1,
  lsn: 1n,
  replayLsn: 1n,
  streaming: false,
  slotsUsed: 1,
  slotsMax: 10,
  receiver: null,
  replicas: [],
  synchronousNames: "",
  hasSchema: false,
  load: null,
};

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  answered: { kind: "answered", answer: ANSWER },
  silent: { kind: "silent", reason: "no answer" },
  refused: { kind: "refused", reason: "nothing listens" },
  starting: { kind: "starting", reason: "starting up" },
  denied: { kind: "denied", reason: "no password", lasting: true },
};

/** Each step: what came, asked when, ended when, and the health from then on. Failure timeout: 3 s. */
type Step = readonly [
  outcome: keyof typeof OUTCOMES | "time",
  askedMs: number,
  nowMs: number,
  health: string,
];

function play(steps: readonly Step[]): HealthState {
  let state = UNASKED;
  for (const [kind, askedMs, nowMs, health] of steps) {
    state = kind === "time"
      ? afterTime(state, { nowMs, failureTimeoutMs: 3000 })
      : afterOutcome(state, OUTCOMES[kind]!, {
        askedMs,
        nowMs,
        failureTimeoutMs: 3000,
        failureConfirmMs: 300,
      });
    equal(state.health, health, `${kind} at ${nowMs}`);
  }
  return state;
}

const TABLE: Readonly<Record<string, readonly Step[]>> = {
  "one missed answer is suspect, the next one takes it back": [
    ["answered", 0, 1, "up"],
    ["silent", 1000, 2000, "suspect"],
    ["answered", 2000, 2001, "up"],
    ["silent", 5000, 6000, "suspect"],
    ["time", 0, 7999, "suspect"],
  ],
  "silence is counted from the first question without an answer": [
    ["answered", 0, 1, "up"],
    ["silent", 10_000, 12_000, "suspect"],
    ["silent", 12_000, 12_999, "suspect"],
    ["silent", 12_999, 13_000, "down"],
    ["silent", 14_000, 14_001, "down"],
    ["answered", 15_000, 15_001, "up"],
  ],
  "time alone makes a suspect down": [
    ["answered", 0, 1, "up"],
    ["silent", 1000, 3000, "suspect"],
    ["time", 0, 3999, "suspect"],
    ["time", 0, 4000, "down"],
    ["time", 0, 9000, "down"],
  ],
  "a port that refuses twice 300 ms apart is down": [
    ["answered", 0, 1, "up"],
    ["refused", 100, 101, "suspect"],
    ["refused", 250, 251, "suspect"],
    ["refused", 400, 401, "down"],
  ],
  "who is back in between starts anew": [
    ["refused", 100, 101, "suspect"],
    ["answered", 250, 251, "up"],
    ["refused", 400, 401, "suspect"],
    ["answered", 550, 551, "up"],
    ["refused", 700, 701, "suspect"],
  ],
  "silence between two refusals does not take the first one back": [
    ["refused", 100, 101, "suspect"],
    ["silent", 150, 200, "suspect"],
    ["refused", 410, 411, "down"],
  ],
  "a server that starts is never dead, however long it takes": [
    ["silent", 0, 2000, "suspect"],
    ["starting", 2000, 2001, "starting"],
    ["time", 0, 90_000, "starting"],
    ["starting", 90_000, 90_001, "starting"],
  ],
  "a server that stops is down when its port stays gone: a restart has none for a moment": [
    ["answered", 0, 1, "up"],
    ["starting", 100, 101, "starting"],
    ["refused", 250, 251, "starting"],
    ["starting", 300, 301, "starting"],
    ["refused", 450, 451, "starting"],
    ["refused", 600, 601, "starting"],
    ["refused", 750, 751, "down"],
    ["starting", 900, 901, "starting"],
    ["answered", 1000, 1001, "up"],
  ],
  "a server that starts, and falls silent, is down in the end, and never only suspect": [
    ["starting", 0, 1, "starting"],
    ["silent", 1000, 2000, "starting"],
    ["time", 0, 3999, "starting"],
    ["time", 0, 4000, "down"],
  ],
  "a refused login is no sign of death": [
    ["answered", 0, 1, "up"],
    ["denied", 1000, 1001, "unknown"],
    ["time", 0, 90_000, "unknown"],
    ["silent", 90_000, 90_100, "suspect"],
  ],
};

for (const [name, steps] of Object.entries(TABLE)) Deno.test(`afterOutcome: ${name}`, () => void play(steps));

Deno.test("afterTime says since how long nothing was heard, and what was heard last", () => {
  const { reason } = play([["silent", 1000, 3000, "suspect"], ["time", 0, 4000, "down"]]);
  equal(reason, "silent for 3000 ms: no answer");
});

Deno.test("lapsesAtMs is about those who are silent, and not down yet", () => {
  const at = (steps: readonly Step[]) => lapsesAtMs(play(steps), { failureTimeoutMs: 3000 });
  deepEqual(
    [
      at([]),
      at([["answered", 0, 1, "up"]]),
      at([["silent", 500, 600, "suspect"]]),
      at([["silent", 500, 4000, "down"]]),
    ],
    [Infinity, Infinity, 3500, Infinity],
  );
});
