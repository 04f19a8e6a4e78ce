import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Acknowledgement, CoordinationListener, InstanceView, StoredRecord } from "../arbiter/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import { FakeKeys, FakeStore, pass } from "./fake_store_test.ts";
import { SharedCoordination } from "./shared_coordination.ts";
import { LEADER, NO_LEADER } from "./values.ts";

/** How long a lease is in a town, in milliseconds. */
export const TTL_MS = 10_000;

/** One instance, and what its part in cluster main has heard. */
export interface Heard {
  readonly coordination: SharedCoordination;
  readonly store: FakeStore;
  standings: string[];
  records: StoredRecord[];
  lost: number;
  /** The same where it had no permit before. */
  lostOld: number;
  /** How often it was told that the store has begun anew. */
  anew: number;
  misunderstood: string[];
  instances: readonly number[];
  acks: Acknowledgement[];
  views: readonly InstanceView[];
  commands: string[];
  /** Its log. */
  readonly log: string[];
  /** What its part throws the next time that it hears of its standing. */
  defect: Error | null;
  /** Takes part in the moves of a cluster, which is main; the result ends that. */
  listen: (cluster?: string) => () => void;
}

/** A store, and the instances that share it. */
export class Town {
  readonly clock = new VirtualClock();
  readonly keys = new FakeKeys();
  readonly #watches = new Set<() => void>();
  #ids = 0;

  /** `isUsed`: instances were there before. */
  constructor({ isUsed = true } = {}) {
    if (isUsed) this.keys.commit([], [{ kind: "put", key: LEADER, value: NO_LEADER }]);
  }

  instance(id: number, { has = true, isWatching = true } = {}): Heard {
    const { clock } = this;
    const store = new FakeStore(this.keys, clock, this.#watches);
    store.isWatching = isWatching;
    const log: string[] = [];
    const say = (text: string) => void log.push(text);
    const coordination = new SharedCoordination({
      store,
      clock,
      log: { info: say, warning: say, error: say },
      self: { id, incarnation: `i${id}`, name: `h${id}`, address: null, version: "1", sinceMs: 0 },
      ttlMs: TTL_MS,
      newId: () => `r${++this.#ids}`,
    });
    const heard: Heard = {
      coordination,
      store,
      standings: [],
      records: [],
      lost: 0,
      lostOld: 0,
      anew: 0,
      misunderstood: [],
      instances: [],
      acks: [],
      views: [],
      commands: [],
      log,
      defect: null,
      listen: () => () => {},
    };
    const listener: CoordinationListener = {
      standing: () => {
        const { defect } = heard;
        heard.defect = null;
        if (defect !== null) throw defect;
        heard.standings.push(
          `${coordination.isLeading ? "leads" : "follows"} ${
            clock.nowMs() < coordination.permitUntilMs("main")
          }`,
        );
      },
      record: (stored) => heard.records.push(stored),
      lost: ({ isOld }) => isOld ? heard.lostOld++ : heard.lost++,
      storeBeganAnew: () => heard.anew++,
      misunderstood: (why) => heard.misunderstood.push(why),
      instances: (ids) => heard.instances = ids,
      acknowledged: (ack) => heard.acks.push(ack),
      views: (views) => heard.views = views,
      command: (command, by) => {
        heard.commands.push(`${command.kind} ${by}`);
        return Promise.resolve({ ok: true, text: `done by ${id}` });
      },
    };
    heard.listen = (cluster = "main") => coordination.listen(cluster, listener);
    if (has) heard.listen();
    coordination.start();
    return heard;
  }

  async pass(ms: number): Promise<void> {
    await pass(this.clock, ms);
  }
}

Deno.test("the first instance of a town leads and has a permit", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(50);
  deepEqual([one.standings.at(-1), one.log], ["leads true", [
    "this instance is among the others",
    "this instance leads",
  ]]);
});
