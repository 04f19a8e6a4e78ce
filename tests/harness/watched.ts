import { enter } from "./console_served.ts";
import { shown, type ShownRow } from "./console_shown.ts";
import { errorOf, type PgplexProcess, type Place, rowsOf, startPgplex, waitFor, WireClient } from "./mod.ts";

/** A node as a configuration has it. */
export interface ConfiguredNode {
  name: string;
  host: string;
  port: number;
  [key: string]: unknown;
}

/** Nodes of servers, named in the order given. */
export function nodesOf(...servers: { host: string; port: number }[]): ConfiguredNode[] {
  return servers.map(({ host, port }, index) => ({ name: `n${index + 1}`, host, port }));
}

/** A configuration with one cluster `main` of these nodes, asked five times a second; `more` replaces whole sections. */
export function watchedConfig(
  nodes: readonly Record<string, unknown>[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    auth: { type: "trust" },
    clusters: { main: { nodes } },
    routing: { default_cluster: "main" },
    console: { admin_users: ["boss"] },
    monitor: { interval: "200ms" },
    pool: { query_wait_timeout: "20s" },
    log: { level: "debug" },
    ...more,
  };
}

/** pgplex in front of a cluster `main`, and what it says of its nodes. */
export class Watched implements AsyncDisposable {
  readonly pgplex: PgplexProcess;
  readonly console: WireClient;

  private constructor(pgplex: PgplexProcess, console: WireClient) {
    this.pgplex = pgplex;
    this.console = console;
  }

  /** Starts it; nobody waits for the nodes to be known. */
  static async start(config: Record<string, unknown>, place?: Place): Promise<Watched> {
    const pgplex = await startPgplex({ config, ...(place && { place }) });
    return new Watched(pgplex, await enter(pgplex));
  }

  /** SHOW NODES. */
  nodes(): Promise<ShownRow[]> {
    return shown(this.console, "SHOW NODES");
  }

  /** Each node in short: `n1 primary up`, with `stale` where it is. */
  async state(): Promise<string> {
    const rows = await this.nodes();
    return rows.map(({ node, role, health, stale }) => `${node} ${stale === "t" ? "stale" : role} ${health}`)
      .join(", ");
  }

  /** Waits until {@link state} is this. */
  async becomes(state: string): Promise<void> {
    let last = "";
    await waitFor(async () => (last = await this.state()) === state, {
      what: `the nodes to be "${state}"`,
      deadlineMs: 15_000,
    }).catch((thrown) => {
      throw new Error(`${thrown.message}; they are "${last}". The log:\n${this.pgplex.log}`);
    });
  }

  /** The row of the cluster in SHOW CLUSTERS. */
  async cluster(): Promise<ShownRow> {
    return (await shown(this.console, "SHOW CLUSTERS"))[0]!;
  }

  /** A new client. */
  client(database = "postgres"): Promise<WireClient> {
    return WireClient.connect(this.pgplex, { user: "postgres", database });
  }

  /** What one statement of a client of its own returns; errors are thrown. */
  async sql(text: string): Promise<string | null> {
    await using client = await this.client();
    const messages = await client.query(text);
    const error = errorOf(messages);
    if (error !== null) throw new Error(`${error["C"]}: ${error["M"]}`);
    return rowsOf(messages)[0]?.[0] ?? null;
  }

  /** The port of the server that serves writes. */
  async port(): Promise<number> {
    return Number(await this.sql("SELECT current_setting('port')"));
  }

  /** Lines of the log that have this text. */
  logged(text: string): string[] {
    return this.pgplex.log.split("\n").filter((line) => line.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.console[Symbol.asyncDispose]();
    await this.pgplex[Symbol.asyncDispose]();
    if (this.pgplex.log.includes("internal error")) {
      throw new Error(`pgplex logged an internal error:\n${this.pgplex.log}`);
    }
  }
}
