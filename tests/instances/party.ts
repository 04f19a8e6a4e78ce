import { type EtcdCluster, type Place, startEtcdCluster, waitFor } from "../harness/mod.ts";
import { NO_LEADER } from "../../src/instances/values.ts";
import { shown, type ShownRow } from "../harness/console_shown.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** How long an instance counts that is not heard of. */
export const LEASE_MS = 5_000;

/** What a {@link Party} is made of. */
export interface PartyOptions {
  readonly major?: 14 | 15 | 18;
  /** As that of `startPostgres`. */
  readonly binDir?: string;
  readonly instances?: number;
  /** Members of etcd. */
  readonly members?: number;
  /** More of each instance's configuration, and of its cluster. */
  readonly config?: Record<string, unknown>;
  readonly cluster?: Record<string, unknown>;
  readonly failsafe?: "off" | "witness";
  /** By whose acknowledgement each node commits when it is the primary; only n1 does unless said, by one of the others. */
  readonly synchronous?: string;
  /** Where all of it runs, by kind and in order; on 127.0.0.1 unless said. */
  readonly places?: Readonly<Record<"instances" | "members" | "nodes", readonly Place[]>>;
}

/** Instances of pgplex that share an etcd, in front of a primary and two standbys of which one acknowledges each commit. */
export class Party implements AsyncDisposable {
  readonly etcd: EtcdCluster;
  readonly replicas: Replicas;
  /** By id, from 1; null where one was killed. */
  readonly instances: (Watched | null)[] = [];
  /** What those have logged that are gone. */
  readonly logs: { readonly id: number; readonly log: string }[] = [];
  readonly #options: PartyOptions;
  /** Ends all that was started. */
  #ends = new AsyncDisposableStack();

  private constructor(etcd: EtcdCluster, replicas: Replicas, options: PartyOptions) {
    this.etcd = etcd;
    this.replicas = replicas;
    this.#options = options;
  }

  /** Starts all of it, and waits until every instance serves n1. */
  static async start(options: PartyOptions = {}): Promise<Party> {
    const { major = 18, instances = 3, members = 3, places, binDir, synchronous } = options;
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await startEtcdCluster({ members, ...(places && { places: places.members }) }));
    // Others were there before: in a store that is empty moves wait a lease for whoever may have been, when it was emptied.
    await etcd.put("/party/leader", NO_LEADER);
    const replicas = stack.use(
      await Replicas.start({
        major,
        ...(binDir !== undefined && { binDir }),
        ...(places && { places: places.nodes }),
        standbys: 2,
        settings: {
          wal_log_hints: "on",
          full_page_writes: "on",
          ...(synchronous !== undefined && { synchronous_standby_names: synchronous }),
        },
        setup: "SET synchronous_commit = local; CREATE TABLE w (n int)",
      }),
    );
    if (synchronous === undefined) {
      await replicas.nodes[0]!.reload({ synchronous_standby_names: "ANY 1 (n2, n3)" });
    }
    const party = stack.adopt(new Party(etcd, replicas, options), (party) => party.#endInstances());
    for (let id = 1; id <= instances; id++) await party.join(id);
    await Promise.all(party.there.map((one) => one.becomes("n1 primary up, n2 standby up, n3 standby up")));
    for (const one of party.there) {
      await party.serves(one);
      await waitFor(async () => (await shown(one.console, "SHOW INSTANCES")).length === instances, {
        what: "an instance to know the others",
      });
    }
    party.#ends = stack.move();
    return party;
  }

  /** Starts an instance. */
  async join(id: number): Promise<Watched> {
    return this.instances[id - 1] = await Watched.start(
      this.configOf(id),
      this.#options.places?.instances[id - 1],
    );
  }

  configOf(id: number): Record<string, unknown> {
    const { config = {}, cluster = {}, failsafe = "off" } = this.#options;
    return watchedConfig(this.replicas.config, {
      instance: { id },
      clusters: { main: { nodes: this.replicas.config, failover: "auto", ...cluster } },
      coordination: {
        etcd: { endpoints: this.etcd.urls, prefix: "/party/" },
        lease_ttl: `${LEASE_MS}ms`,
        failsafe,
      },
      monitor: {},
      ...config,
    });
  }

  /** The instances that run. */
  get there(): Watched[] {
    return this.instances.filter((one) => one !== null);
  }

  /** The one that runs under an id. */
  at(id: number): Watched {
    return this.instances[id - 1]!;
  }

  /** Its cluster's row says that it serves. */
  async serves(one: Watched): Promise<ShownRow> {
    let row: ShownRow = {};
    await waitFor(async () => (row = await one.cluster())["phase"] === "serving", {
      what: "an instance to serve",
      deadlineMs: 20_000,
    }).catch((thrown) => {
      throw new Error(`${thrown.message}\n${one.pgplex.log}`);
    });
    return row;
  }

  /** The id of the instance that leads, as an instance that runs knows it. */
  async leader(): Promise<number> {
    let id = 0;
    await waitFor(async () => {
      const rows = await shown(this.there[0]!.console, "SHOW INSTANCES");
      id = Number(rows.find(({ leader }) => leader === "t")?.["id"] ?? 0);
      return id > 0;
    }, { what: "an instance to lead", deadlineMs: 20_000 });
    return id;
  }

  /** Ends an instance, by SIGKILL unless said. */
  async kill(id: number, signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const one = this.at(id);
    this.instances[id - 1] = null;
    await one.pgplex.stop(signal);
    this.logs.push({ id, log: one.pgplex.log });
    await one[Symbol.asyncDispose]().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ends.disposeAsync();
  }

  async #endInstances(): Promise<void> {
    const ends = this.there.map((one) => one[Symbol.asyncDispose]());
    await Promise.all(ends);
  }
}
