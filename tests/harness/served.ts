import {
  type Connection,
  type PgplexProcess,
  type PostgresMajor,
  type PostgresNode,
  rowsOf,
  startPgplex,
  startPostgres,
  WireClient,
} from "./mod.ts";

/** What {@link Served} starts. */
export interface ServedOptions {
  major?: PostgresMajor;
  /** Everybody is trusted unless passwords are asked for; the superuser's is `postgres`. */
  passwords?: boolean;
  /** Lines of postgresql.conf. */
  settings?: Record<string, string>;
  /** Programs of that major which are installed, with the languages and extensions that are; `postgres` for what is downloaded. */
  binDir?: string;
  /** Runs once as the superuser in database `postgres`. */
  setup?: string;
  /** Pool keys by alias. Every alias leads to database `postgres` unless it says so, and has a pool of its own. */
  pools: Record<string, Record<string, unknown>>;
}

/**
 * One PostgreSQL server and one pgplex in front of it for all tests of a file: made before the first, removed behind the
 * last. Tests keep out of each other's way by aliases, as each has its own pool.
 */
export class Served {
  readonly #options: ServedOptions;
  #node: PostgresNode | null = null;
  #pgplex: PgplexProcess | null = null;

  constructor(options: ServedOptions) {
    this.#options = options;
    Deno.test.beforeAll(() => this.#start());
    Deno.test.afterAll(() => this.#stop());
  }

  get node(): PostgresNode {
    return this.#node!;
  }

  get pgplex(): PgplexProcess {
    return this.#pgplex!;
  }

  /** How drivers and psql reach `alias`. */
  connection(alias: string): Connection {
    const { host, port } = this.pgplex;
    return { host, port, user: "postgres", password: "postgres", database: alias };
  }

  /** A client of pgplex, logged in to `alias`. */
  async client(
    alias: string,
    params: Record<string, string> = {},
    user = "postgres",
  ): Promise<WireClient> {
    return await WireClient.connect(this.pgplex, { user, database: alias, params });
  }

  /** A client of the server itself. */
  async direct(params: Record<string, string> = {}): Promise<WireClient> {
    return await WireClient.connect(this.node, { user: "postgres", params });
  }

  /** The first value that `sql` returns to a superuser beside pgplex. */
  async value(sql: string): Promise<unknown> {
    const [row] = await this.node.sql(sql);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  async #start(): Promise<void> {
    const { major = 18, binDir, passwords = false, settings = {}, setup, pools } = this.#options;
    this.#node = await startPostgres({
      major,
      ...(binDir !== undefined && { binDir }),
      auth: passwords ? "scram-sha-256" : "trust",
      settings: { max_connections: "100", ...settings },
    });
    if (setup !== undefined) await this.#node.sql(setup);
    const databases = Object.fromEntries(
      Object.entries(pools).map(([alias, keys]) => [
        alias,
        { cluster: "main", database: "postgres", ...keys },
      ]),
    );
    this.#pgplex = await startPgplex({
      config: {
        auth: passwords ? { users: { postgres: "postgres" } } : { type: "trust" },
        clusters: {
          main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: this.#node.port }], superuser: null },
        },
        routing: { databases, default_cluster: "main" },
        console: { admin_users: ["postgres"], stats_users: ["watcher"] },
        log: { level: "debug" },
      },
    });
  }

  async #stop(): Promise<void> {
    await this.#pgplex?.[Symbol.asyncDispose]();
    await this.#node?.[Symbol.asyncDispose]();
    if (this.#pgplex?.log.includes("internal error")) {
      throw new Error(`pgplex logged an internal error:\n${this.#pgplex.log}`);
    }
  }
}

/** The one value that `sql` returns to `client`; errors are thrown. */
export async function one(client: WireClient, sql: string): Promise<string | null> {
  const messages = await client.query(sql);
  const error = messages.find((message) => message.type === "E");
  if (error !== undefined) throw new Error(`${error.fields!["C"]}: ${error.fields!["M"]}`);
  return rowsOf(messages)[0]?.[0] ?? null;
}

/**
 * Two sessions that take turns in a transaction: of a pool of two connections one is always theirs, and {@link swap} makes
 * it the other one, so that whoever leases next gets a connection that it did not have before.
 */
export class Intruders implements AsyncDisposable {
  readonly #sessions: [WireClient, WireClient];
  readonly #disturb: string;
  #holder = -1;

  private constructor(sessions: [WireClient, WireClient], disturb: string) {
    this.#sessions = sessions;
    this.#disturb = disturb;
  }

  /** `disturb` is run by each on the connection that it gets. */
  static async start(
    served: Served,
    alias: string,
    disturb = "",
    user = "postgres",
  ): Promise<Intruders> {
    const sessions = await Promise.all([
      served.client(alias, {}, user),
      served.client(alias, {}, user),
    ]);
    return new Intruders(sessions as [WireClient, WireClient], disturb);
  }

  /** The other connection is free now. No lease may be held besides the intruders' own. */
  async swap(): Promise<void> {
    const next = this.#holder === 0 ? 1 : 0;
    if (this.#disturb !== "") await one(this.#sessions[next]!, this.#disturb);
    await one(this.#sessions[next]!, "BEGIN");
    if (this.#holder >= 0) await one(this.#sessions[this.#holder]!, "ROLLBACK");
    this.#holder = next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) await session.close();
  }
}
