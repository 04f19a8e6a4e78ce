import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import type {
  Acknowledgement,
  ClusterRecord,
  CoordinationListener,
  InstanceView,
  Move,
  StoredRecord,
} from "../arbiter/mod.ts";
import { record } from "../arbiter/scene_test.ts";
import type { Runtime } from "../backend/mod.ts";
import type { MonitorConfig } from "../config/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import { NO_LOG } from "../telemetry/mod.ts";
import { ClusterMoves } from "./cluster_moves.ts";
import type { OwnedCluster } from "./verb_runner.ts";

const SERVING = record({ system: "7", epoch: 3 });

const FOLLOWING: Move = {
  kind: "follow",
  from: "n1",
  fromTimeline: 1,
  target: null,
  candidate: "n2",
  step: "hold",
  steps: [],
  by: "somebody else",
  reason: "n2 was promoted",
  evidence: [],
  startedAtMs: 0,
  isForced: false,
  cuts: false,
  lastLsn: null,
  lostBytes: null,
  watermark: null,
  abandoned: [],
};

const MOVING: ClusterRecord = { ...SERVING, epoch: 4, phase: "moving", move: FOLLOWING };

/** Instance 1 of two, whose cluster has n1 and n2; n2 says that it is the primary of timeline 2. */
class Rig {
  readonly clock = new VirtualClock();
  readonly parts = { isLeading: false, permitUntilMs: Infinity, instances: [1, 2] };
  /** What the store has; `away`: nothing can be read. */
  stored: StoredRecord | null | Promise<StoredRecord | null> | "away" = { revision: 5, record: SERVING };
  readonly written: { readonly revision: number; readonly record: ClusterRecord }[] = [];
  readonly moves: ClusterMoves;
  reads = 0;
  drained = true;
  readonly drains: boolean[] = [];
  /** At which node. */
  readonly drainedAt: string[] = [];
  /** How far it tells the others to have seen the primary. */
  readonly told: string[] = [];
  /** What the process does where the stance is another one. */
  changed = () => {};
  listener!: CoordinationListener;

  constructor() {
    const node = { port: 5432, priority: 100, promote: true };
    const config = {
      failover: "auto",
      nodes: [{ ...node, name: "n1", host: "10.0.0.1" }, { ...node, name: "n2", host: "10.0.0.2" }],
      rejoin: "manual",
      fence: "off",
      failover_interval: 5_000,
    } as unknown as OwnedCluster;
    const monitor = { failure_timeout: 3_000, primary_start_timeout: 30_000 } as unknown as MonitorConfig;
    const { parts } = this;
    const coordination = {
      get isLeading() {
        return parts.isLeading;
      },
      permitUntilMs: () => parts.permitUntilMs,
      instancesOf: () => parts.instances,
      serve: () => {},
      members: () => [],
      record: () => {
        this.reads++;
        return this.stored === "away" ? Promise.reject(new Error("no store")) : Promise.resolve(this.stored);
      },
      swap: (_: string, revision: number, record: ClusterRecord) => {
        this.written.push({ revision, record });
        this.stored = { revision: revision + 1, record };
        return Promise.resolve({ kind: "written", revision: revision + 1 } as const);
      },
      acknowledge: (_: string, { epoch, seen }: Omit<Acknowledgement, "instance">) => {
        this.told.push(`epoch ${epoch}: ${seen?.lsn ?? null}`);
      },
      publish: (_: string, { seen }: Omit<InstanceView, "instance">) => {
        this.told.push(`view: ${seen?.lsn ?? null}`);
      },
      ask: () => Promise.resolve({ ok: false, text: "" }),
      listen: (_: string, listener: CoordinationListener) => {
        this.listener = listener;
        // Its permit may have been for other clusters until now.
        listener.standing();
        this.isListening = true;
        return () => this.isListening = false;
      },
      look: () => {},
      leave: () => Promise.resolve(),
    };
    this.moves = new ClusterMoves("main", config, monitor, {
      runtime: { clock: this.clock } as unknown as Runtime,
      log: NO_LOG,
      store: () => Promise.resolve(coordination),
      instance: 1,
      changed: () => this.changed(),
      drain: (_cluster, node, { cut }) => {
        this.drains.push(cut);
        this.drainedAt.push(node);
        this.drained ||= cut;
        return this.drained;
      },
      release: () => {},
      failsafe: () => false,
      runnerOf: () => ({
        run: () => Promise.resolve({ ok: false, kind: "failed", reason: "none" }),
        close: () => {},
      }),
    });
  }

  /** Whether the store, which takes a while to open, is listened to. */
  isListening = false;

  async pass(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += 100) {
      this.clock.advance(100);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  /** This instance begins to lead, or leads no more. */
  lead(isLeading: boolean): void {
    this.parts.isLeading = isLeading;
    this.listener.standing();
  }

  hear(name: string, timeline: number, health: "up" | "suspect" = "up"): void {
    this.moves.heard(
      {
        name,
        state: { health, reason: "", silentMs: null, refusedMs: null },
        answer: {
          sentMs: this.clock.nowMs(),
          recovering: false,
          system: "7",
          timeline,
          lsn: 5n,
          replayLsn: 5n,
          receiver: null,
          replicas: [],
          synchronousNames: "",
        },
      } as unknown as WatchedNode,
    );
  }
}

async function begun(stored: Rig["stored"] = { revision: 5, record: SERVING }): Promise<Rig> {
  const rig = new Rig();
  rig.stored = stored;
  void rig.moves.start();
  await rig.pass(100);
  return rig;
}

Deno.test("what the others have acknowledged before this instance leads is not asked for again", async () => {
  const rig = await begun({ revision: 5, record: MOVING });
  rig.listener.acknowledged({ instance: 2, epoch: 4, startedAtMs: null, isDrained: true, seen: null });
  rig.lead(true);
  await rig.pass(100);
  rig.hear("n2", 2);
  await rig.pass(500);
  deepEqual(rig.written.map(({ record: { phase, primary } }) => [phase, primary])[0], ["serving", "n2"]);
  rig.moves.stop("over");
});

Deno.test("the others hear how far an instance has seen the primary when it does so no more, and when it holds", async () => {
  const rig = await begun();
  rig.hear("n1", 1);
  rig.hear("n1", 1, "suspect");
  rig.listener.record({ revision: 9, record: MOVING });
  await rig.pass(100);
  deepEqual(rig.told, ["view: null", "view: 5", "epoch 4: 5"]);
  rig.moves.stop("over");
});

Deno.test("an instance that led goes by the newest record that it has heard meanwhile", async () => {
  const rig = await begun();
  rig.lead(true);
  await rig.pass(100);
  equal(rig.moves.stance.kind, "serve");
  rig.stored = "away";
  rig.listener.record({ revision: 9, record: MOVING });
  rig.lead(false);
  await rig.pass(100);
  deepEqual([rig.moves.record?.epoch, rig.moves.stance.kind], [4, "hold"]);
  rig.moves.stop("over");
});

Deno.test("without a permit transactions are cut, also where a defect keeps the process from hearing of it", async () => {
  const rig = await begun();
  rig.parts.permitUntilMs = 0;
  rig.changed = () => {
    throw new Error("a nil pool");
  };
  throws(() => rig.listener.standing(), /nil pool/);
  deepEqual(rig.drains, [true]);
  rig.changed = () => {};
  rig.moves.stop("over");
});

Deno.test("an instance that led stays out where it has heard of a record that it does not understand", async () => {
  const rig = await begun();
  rig.lead(true);
  await rig.pass(100);
  rig.listener.misunderstood("it is of a newer pgplex");
  rig.lead(false);
  await rig.pass(100);
  deepEqual(rig.moves.stance, {
    kind: "hold",
    epoch: 3,
    primary: "n1",
    reason: "it is of a newer pgplex",
  });
  rig.moves.stop("over");
});

Deno.test("who leads reads the record again where one comes to the store that it does not know", async () => {
  const rig = await begun();
  rig.lead(true);
  await rig.pass(100);
  const before = rig.reads;
  rig.stored = { revision: 9, record: { ...SERVING, epoch: 4 } };
  rig.listener.record(rig.stored);
  await rig.pass(100);
  deepEqual([rig.reads, rig.moves.record?.epoch], [before + 1, 4]);
  rig.moves.stop("over");
});

Deno.test("who begins to lead tries to read the record until it can, whatever comes meanwhile", async () => {
  const rig = await begun();
  rig.stored = "away";
  rig.lead(true);
  for (let at = 0; at < 30; at++) {
    rig.hear("n1", 1);
    await rig.pass(100);
  }
  equal(rig.moves.decides, false);
  rig.stored = { revision: 5, record: SERVING };
  await rig.pass(1_100);
  equal(rig.moves.decides, true);
  rig.moves.stop("over");
  equal(rig.clock.pending, 0);
});

Deno.test("what an earlier attempt to begin reads late does not take the place of what a later one has begun with", async () => {
  const rig = await begun();
  const late = Promise.withResolvers<StoredRecord | null>();
  rig.stored = late.promise;
  rig.lead(true);
  rig.stored = { revision: 6, record: { ...SERVING, epoch: 4 } };
  // What it stands for changes once more before the first answer is there.
  rig.lead(true);
  await rig.pass(100);
  deepEqual([rig.moves.decides, rig.moves.record?.epoch], [true, 4]);
  late.resolve({ revision: 5, record: SERVING });
  await rig.pass(100);
  deepEqual([rig.moves.decides, rig.moves.record?.epoch], [true, 4]);
  rig.moves.stop("over");
});

Deno.test("a record that somebody has removed is written again as it was, under a later epoch", async () => {
  const rig = await begun();
  rig.listener.record({ revision: 6, record: { ...SERVING, epoch: 8 } });
  rig.stored = null;
  rig.lead(true);
  await rig.pass(100);
  rig.hear("n1", 1);
  await rig.pass(200);
  deepEqual(rig.moves.record?.epoch, 18);
  rig.moves.stop("over");
});

Deno.test("transactions for which a switchover waits are cut when the permit ends", async () => {
  const rig = await begun();
  rig.drained = false;
  const move: Move = { ...FOLLOWING, kind: "switchover", step: "hold" };
  rig.listener.record({ revision: 9, record: { ...MOVING, move } });
  await rig.pass(100);
  deepEqual(new Set(rig.drains), new Set([false]));
  rig.parts.permitUntilMs = -Infinity;
  rig.listener.standing();
  equal(rig.drains.at(-1), true);
  rig.moves.stop("over");
});

Deno.test("one that was stopped before its store was open does not listen to it", async () => {
  const rig = new Rig();
  void rig.moves.start();
  rig.moves.stop("over");
  await rig.pass(100);
  equal(rig.isListening, false);
});

Deno.test("a hold takes what clients have where they were served, also where its record has another primary: theirs was lost", async () => {
  const rig = await begun();
  equal(rig.moves.stance.kind, "serve");
  const move: Move = { ...FOLLOWING, from: "n2", candidate: null };
  rig.listener.record({ revision: 9, record: { ...MOVING, primary: "n2", move } });
  deepEqual(rig.drainedAt, ["n1"]);
  deepEqual(rig.moves.stance, {
    kind: "hold",
    epoch: 4,
    primary: "n2",
    reason: "n2 was promoted: n2 is served when all instances know",
  });
  rig.moves.stop("over");
});

Deno.test("a record that is lost, and may have been an old one, is neither gone by nor written again", async () => {
  const rig = await begun();
  equal(rig.moves.stance.kind, "serve");
  rig.listener.record({ revision: 6, record: { ...SERVING, epoch: 8 } });
  rig.stored = null;
  rig.listener.lost({ isOld: true });
  deepEqual([rig.moves.stance.kind, rig.moves.record, rig.drainedAt], ["hold", null, ["n1"]]);
  rig.lead(true);
  await rig.pass(500);
  rig.hear("n1", 1);
  await rig.pass(500);
  // n2 may be the primary: it was not heard.
  equal(rig.written.length, 0);
  rig.moves.stop("over");
});

Deno.test("who leads and has lost its record, which may have been an old one, asks the nodes, and answers whoever waits", async () => {
  const rig = await begun();
  rig.lead(true);
  await rig.pass(100);
  const answer = rig.listener.command(
    { kind: "switchover", to: "n2", withinMs: null, isForced: false },
    "ada",
  );
  rig.stored = null;
  rig.listener.lost({ isOld: true });
  equal((await answer).text, "the record of the cluster is lost: see SHOW CLUSTERS");
  deepEqual([rig.moves.stance.kind, rig.moves.record, rig.written], ["hold", null, []]);
  rig.listener.lost({ isOld: true });
  rig.moves.stop("over");
});

Deno.test("who follows goes by the record of a store that has begun anew, whatever its revision, and by its own until there is one", async () => {
  const rig = await begun();
  rig.stored = { revision: 90, record: { ...SERVING, epoch: 4 } };
  rig.listener.record(rig.stored);
  rig.stored = null;
  rig.listener.storeBeganAnew();
  await rig.pass(100);
  deepEqual([rig.moves.record?.epoch, rig.moves.stance.kind], [4, "serve"]);
  rig.stored = { revision: 2, record: { ...MOVING, epoch: 14 } };
  rig.listener.record(rig.stored);
  deepEqual([rig.moves.record?.epoch, rig.moves.stance.kind], [14, "hold"]);
  // What was put back from a backup is there at once.
  rig.stored = { revision: 1, record: SERVING };
  rig.listener.storeBeganAnew();
  rig.listener.record(rig.stored);
  await rig.pass(100);
  deepEqual(rig.moves.record?.epoch, 3);
  rig.moves.stop("over");
});

Deno.test("who leads begins anew with the record of a store that has begun anew, and leaves nobody waiting", async () => {
  const rig = await begun();
  rig.stored = { revision: 90, record: SERVING };
  rig.lead(true);
  await rig.pass(100);
  const asked = rig.listener.command({ kind: "switchover", to: null, withinMs: null, isForced: false }, "op");
  rig.stored = { revision: 2, record: { ...SERVING, epoch: 2 } };
  rig.listener.storeBeganAnew();
  rig.listener.record(rig.stored);
  await rig.pass(100);
  deepEqual([rig.moves.decides, rig.moves.record?.epoch, (await asked).ok], [true, 2, false]);
  // Where there is none it puts its own there, behind all epochs that may have been.
  rig.stored = null;
  rig.listener.storeBeganAnew();
  await rig.pass(100);
  deepEqual(rig.written.at(-1)?.revision, 0);
  deepEqual(rig.moves.record?.epoch, 12);
  rig.moves.stop("over");
});
