import {
  type Place,
  type PostgresMajor,
  type PostgresNode,
  type Row,
  startPostgres,
  waitFor,
} from "./mod.ts";

/** What {@link Replicas.start} starts. */
export interface ReplicasOptions {
  major?: PostgresMajor;
  /** Standbys beside the primary; 1 unless said. */
  standbys?: number;
  /** Lines of every server's postgresql.conf. */
  settings?: Record<string, string>;
  /** Runs once as the superuser in database `postgres` of the primary, before the standbys are made. */
  setup?: string;
  /** As that of `startPostgres`. */
  binDir?: string;
  /** Lines of pg_hba.conf before those that trust everybody. */
  hba?: string[];
  /** How a node logs in to its upstream, in libpq's words; as the superuser, under its own name, unless said. */
  login?: (name: string) => string;
  /** Where the servers run, the primary first; all on 127.0.0.1 unless said. */
  places?: readonly Place[];
}

/**
 * A primary and standbys that stream from it, on free ports. Everybody is trusted. Standbys are copies of the primary's data
 * directory, made while it is stopped, as not every set of binaries has pg_basebackup.
 */
export class Replicas implements AsyncDisposable {
  /** The first was the primary at the start. */
  readonly nodes: PostgresNode[] = [];
  /** Their names in a configuration: n1, n2, … */
  readonly names: string[] = [];
  #login = (name: string) => `user=postgres application_name=${name}`;

  static async start(options: ReplicasOptions = {}): Promise<Replicas> {
    const replicas = new Replicas();
    try {
      await replicas.#start(options);
      return replicas;
    } catch (error) {
      await replicas[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(
    { major = 18, standbys = 1, settings = {}, setup, binDir, hba = [], login, places = [] }: ReplicasOptions,
  ): Promise<void> {
    if (login !== undefined) this.#login = login;
    const common = {
      major,
      auth: "trust",
      hba,
      ...(binDir === undefined ? {} : { binDir }),
      settings: {
        max_connections: "100",
        wal_level: "replica",
        wal_receiver_timeout: "4s",
        wal_retrieve_retry_interval: "100ms",
        hot_standby: "on",
        ...(major >= 13 ? { wal_keep_size: "256MB" } : { wal_keep_segments: "16" }),
        ...settings,
      },
    } as const;
    const at = (index: number) => places[index] === undefined ? {} : { place: places[index] };
    const primary = await startPostgres({ ...common, ...at(0) });
    this.#add(primary);
    if (setup !== undefined) await primary.sql(setup);
    await primary.stop();
    for (let i = 0; i < standbys; i++) {
      const standby = await startPostgres({
        ...common,
        ...at(i + 1),
        copyOf: primary.dataDir,
        starts: false,
      });
      this.#add(standby);
    }
    await primary.start();
    for (let i = 1; i <= standbys; i++) await this.follow(i, 0);
  }

  #add(node: PostgresNode): void {
    this.nodes.push(node);
    this.names.push(`n${this.nodes.length}`);
  }

  /** The nodes of a cluster in pgplex's configuration. */
  get config(): Record<string, unknown>[] {
    return this.nodes.map(({ host, port }, index) => ({ name: this.names[index], host, port }));
  }

  /** Starts a stopped node as a standby of another one, and waits until it streams. */
  async follow(index: number, of: number): Promise<void> {
    const node = this.nodes[index]!;
    const upstream = this.nodes[of]!;
    await node.makeStandby(
      `host=${upstream.host} port=${upstream.port} ${this.#login(this.names[index]!)}`,
    );
    await node.start();
    await this.streams(index);
  }

  /** Waits until a standby streams. */
  async streams(index: number): Promise<void> {
    await waitFor(async () => {
      const rows = await this.nodes[index]!.sql("SELECT status FROM pg_stat_wal_receiver").catch(
        (): Row[] => [],
      );
      return rows[0]?.["status"] === "streaming";
    }, { what: `${this.names[index]} to stream`, deadlineMs: 30_000 });
  }

  /** Waits until a standby has replayed what the primary has written by now. */
  async caughtUp(index: number, primary: number): Promise<void> {
    const [row] = await this.nodes[primary]!.sql("SELECT pg_current_wal_insert_lsn()::text AS lsn");
    await waitFor(async () => {
      const sql = `SELECT pg_last_wal_replay_lsn() >= '${row!["lsn"]}'::pg_lsn AS there`;
      return (await this.nodes[index]!.sql(sql))[0]!["there"] === true;
    }, { what: `${this.names[index]} to catch up`, deadlineMs: 30_000 });
  }

  /** Promotes a standby and waits until it takes writes. */
  async promote(index: number): Promise<void> {
    const [row] = await this.nodes[index]!.sql("SELECT pg_promote(true, 30) AS done");
    if (row?.["done"] !== true) throw new Error(`${this.names[index]} was not promoted`);
  }

  /** Points a running standby at another node (13 and later), and waits until it streams from there. */
  async repoint(index: number, at: number): Promise<void> {
    const { host, port } = this.nodes[at]!;
    const name = this.names[index];
    const node = this.nodes[index]!;
    await node.sql(
      `ALTER SYSTEM SET primary_conninfo = 'host=${host} port=${port} user=postgres application_name=${name}'`,
    );
    await node.sql("SELECT pg_reload_conf()");
    await waitFor(async () => {
      const [row] = await node.sql("SELECT status, sender_port FROM pg_stat_wal_receiver");
      return row?.["status"] === "streaming" && row["sender_port"] === port;
    }, { what: `${name} to stream from ${this.names[at]}`, deadlineMs: 30_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }
}
