import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type {
  ClusterRecord,
  Command,
  CommandAnswer,
  Coordination,
  CoordinationListener,
  Move,
  StoredRecord,
} from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import { formatProblem, parseConfig } from "../config/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import type { LogFields } from "../telemetry/mod.ts";
import { Moves } from "./moves.ts";

/** One cluster of one node, n1, whose `failover` is this. */
function configOf(failover: "auto" | "follow", name = "main") {
  const yaml = `auth: { users: { app: { password: x } } }
state_file: /state
clusters:
  ${name}:
    failover: ${failover}
    superuser: { user: postgres, password: x }
    nodes: [{ name: n1, host: 10.0.0.1 }]
`;
  const parsed = parseConfig(yaml, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

/** n1, which says that it is the primary of this timeline. */
function primary(sentMs: number, timeline: number): WatchedNode {
  return {
    name: "n1",
    state: { health: "up", reason: "it answers", silentMs: null, refusedMs: null },
    answer: {
      sentMs,
      latencyMs: 1,
      recovering: false,
      system: "7",
      version: 180001,
      timeline,
      lsn: 5n,
      replayLsn: 5n,
      streaming: false,
      slotsUsed: 0,
      slotsMax: 10,
      receiver: null,
      replicas: [],
      synchronousNames: "",
      hasSchema: false,
      load: null,
    },
  };
}

/** Arbiters over a store in memory. */
class Rig {
  readonly clock = new VirtualClock();
  readonly errors: string[] = [];
  /** Whether the next change of a stance throws. */
  breaks = false;
  /** Whether the store can be read. */
  isReadable = true;
  stored: StoredRecord | null = null;
  timeline = 1;
  /** Whether no transaction runs at the primary. */
  isDrained = true;
  /** Clusters for which the others wait. */
  listening = 0;
  readonly moves: Moves;
  readonly #listeners = new Map<string, CoordinationListener>();

  constructor() {
    const say = (level: string) => (text: string, _fields?: LogFields) => {
      if (level === "error") this.errors.push(text);
    };
    const log = { debug: say("debug"), info: say("info"), warning: say("warning"), error: say("error") };
    this.moves = new Moves(configOf("auto"), {
      runtime: { clock: this.clock } as unknown as Runtime,
      log,
      store: () => Promise.resolve(this.#store()),
      instance: 1,
      failsafe: () => false,
      changed: () => {
        if (!this.breaks) return;
        this.breaks = false;
        throw new Error("broken");
      },
      drain: () => this.isDrained,
      release: () => {},
    });
    this.moves.start();
  }

  /** What comes from another instance. */
  ask(cluster: string, command: Command): Promise<CommandAnswer> {
    return this.#listeners.get(cluster)!.command(command, "x");
  }

  /** Seconds in which n1 is heard and what is asked for is done. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds * 10; i++) {
      this.clock.advance(100);
      this.moves.heard("main", primary(this.clock.nowMs(), this.timeline));
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  #store(): Coordination {
    const swap = (_: string, revision: number, record: ClusterRecord) => {
      this.stored = { revision: revision + 1, record };
      return Promise.resolve({ kind: "written" as const, revision: revision + 1 });
    };
    const record = () =>
      this.isReadable ? Promise.resolve(this.stored) : Promise.reject(new Error("no disk"));
    const listeners = this.#listeners;
    return {
      permitUntilMs: () => Infinity,
      instancesOf: () => [1],
      serve: () => {},
      isLeading: true,
      members: () => [],
      swap,
      record,
      acknowledge: () => {},
      publish: () => {},
      ask: (cluster, command, by) => listeners.get(cluster)!.command(command, by),
      listen: (cluster, listener) => {
        listeners.set(cluster, listener);
        this.listening++;
        return () => this.listening--;
      },
      look: () => {},
      leave: () => Promise.resolve(),
    };
  }
}

Deno.test("Moves takes the only node for the primary, and serves it", async () => {
  const rig = new Rig();
  equal(rig.moves.whyHeld("main") !== null, true, "nobody knows yet");
  await rig.pass(2);
  equal(rig.stored?.record.primary, "n1");
  deepEqual([rig.moves.whyHeld("main"), rig.moves.whyHeld("other")], [null, null]);
  deepEqual(rig.errors, []);
  rig.moves.stop();
  equal(rig.clock.pending, 0);
});

Deno.test("Moves begins anew with the record behind a defect, and tells whoever waits", async () => {
  const rig = new Rig();
  rig.breaks = true;
  await rig.pass(1);
  equal(rig.errors.length, 1);
  await rig.pass(3);
  equal(rig.stored?.record.phase, "serving");
  deepEqual(await rig.moves.command("main", { kind: "failover", to: null, isForced: false }, "x"), {
    ok: false,
    text: "n1 is well: say SWITCHOVER",
  });
  equal(rig.errors.length, 1);
  rig.moves.stop();
});

Deno.test("Moves tries again where the record cannot be read, and says so once", async () => {
  const rig = new Rig();
  rig.isReadable = false;
  await rig.pass(5);
  equal(rig.errors.length, 1);
  rig.isReadable = true;
  await rig.pass(3);
  equal(rig.stored?.record.primary, "n1");
  rig.moves.stop();
});

/** n0 was the primary, and n1 is being promoted. */
const PROMOTING: Move = {
  kind: "failover",
  from: "n0",
  fromTimeline: 1,
  target: null,
  candidate: "n1",
  step: "promote",
  steps: [],
  by: "pgplex",
  reason: "n0 is silent",
  evidence: [],
  startedAtMs: 0,
  isForced: false,
  cuts: false,
  lastLsn: null,
  lostBytes: null,
  watermark: null,
  abandoned: [],
};

Deno.test("Moves leaves a cluster to be followed at once where it is not in the middle of a move", async () => {
  const rig = new Rig();
  await rig.pass(2);
  rig.moves.configure(configOf("follow"));
  deepEqual([...rig.moves.names()], []);
  rig.moves.stop();
});

Deno.test("Moves ends a move before it leaves the cluster to be followed", async () => {
  const rig = new Rig();
  const record: ClusterRecord = {
    system: "7",
    epoch: 3,
    phase: "moving",
    primary: "n0",
    timeline: 1,
    sinceMs: 0,
    synchronous: null,
    move: PROMOTING,
    history: [],
    rejoins: [],
    moved: [],
    disowned: [],
  };
  rig.stored = { revision: 5, record };
  await rig.pass(1);
  rig.moves.configure(configOf("follow"));
  await rig.pass(1);
  deepEqual([...rig.moves.names()], ["main"]);
  rig.timeline = 2;
  await rig.pass(3);
  equal(rig.stored.record.primary, "n1");
  deepEqual([...rig.moves.names()], []);
  equal(rig.clock.pending, 0);
});

Deno.test("Moves leaves a cluster that is in the file no more when nothing of its clients runs", async () => {
  const rig = new Rig();
  await rig.pass(2);
  rig.isDrained = false;
  rig.moves.configure(configOf("auto", "other"));
  await rig.pass(2);
  deepEqual([[...rig.moves.names()], rig.listening], [["other"], 2]);
  const asked = rig.ask("main", { kind: "failover", to: null, isForced: false });
  equal((await asked).ok, false);
  rig.isDrained = true;
  await rig.pass(1);
  equal(rig.listening, 1);
  rig.isDrained = false;
  rig.moves.configure(configOf("auto"));
  rig.moves.stop();
  deepEqual([rig.listening, rig.clock.pending], [0, 0]);
});
