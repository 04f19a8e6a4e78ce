import assert from "node:assert/strict";
import { errorOf, rowsOf, startPgplex, waitFor, WireClient } from "../harness/mod.ts";
import { silentPort } from "../harness/network_pair.ts";
import { Replicas } from "../harness/replicas.ts";
import { told } from "../harness/survivors.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** A way to a server that breaks when asked to: what it has carried to the client by then is cut wherever it stands. */
class Way implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Deno.Conn>();
  readonly #running: Promise<void>[] = [];
  /** Bytes to pgplex that are let through; behind them each connection that carries any breaks. */
  #left = Infinity;

  constructor(to: { host: string; port: number }) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#running.push(this.#accept(to));
  }

  /** Behind so many bytes more it breaks. */
  breakBehind(bytes: number): void {
    this.#left = bytes;
  }

  async #accept({ host: hostname, port }: { host: string; port: number }): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname, port });
      for (const conn of [near, far]) this.#conns.add(conn);
      this.#running.push(this.#carry(near, far, false), this.#carry(far, near, true));
    }
  }

  async #carry(from: Deno.Conn, to: Deno.Conn, counts: boolean): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      for (;;) {
        const n = await from.read(buffer);
        if (n === null) break;
        const through = counts ? Math.min(n, this.#left) : n;
        if (counts) this.#left -= through;
        for (let at = 0; at < through;) at += await to.write(buffer.subarray(at, through));
        if (through < n) break;
      }
    } catch {
      // The other direction has ended.
    }
    for (const conn of [from, to]) if (this.#conns.delete(conn)) conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
    await Promise.all(this.#running);
  }
}

Deno.test({
  name: "a connection that is cut inside of a row ends that client, which is counted, and no other one",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ standbys: 0 });
    await using way = new Way(replicas.nodes[0]!);
    await using pgplex = await startPgplex({
      config: watchedConfig([{ name: "n1", host: "127.0.0.1", port: way.port }], {
        // Nobody else uses the way.
        clusters: { main: { nodes: [{ name: "n1", host: "127.0.0.1", port: way.port }], superuser: null } },
        auth: { type: "trust" },
        log: { level: "debug", stats_period: "1s" },
      }),
    });
    const connect = () => WireClient.connect(pgplex, { user: "postgres", database: "postgres" });
    await using idle = await connect();
    await idle.query("SET TimeZone = 'Asia/Tokyo'");
    await using inTransaction = await connect();
    await inTransaction.query("BEGIN; SELECT 1");
    await using reader = await connect();
    await reader.query("SELECT 1");
    way.breakBehind(20_000);
    await reader.query("SELECT repeat('x', 100000)").then(
      (messages) => assert.fail(`the reply was whole: ${told(messages)}`),
      () => {},
    );
    way.breakBehind(Infinity);
    assert.deepEqual(rowsOf(await idle.query("SHOW TimeZone")), [["Asia/Tokyo"]]);
    assert.equal(told(await inTransaction.query("COMMIT")), "COMMIT ZI");
    await waitFor(() => /replies_cut=1/.test(pgplex.log), { what: "it to be counted" });
    await using next = await connect();
    assert.equal(told(await next.query("SELECT 1")), "T D SELECT 1 ZI");
  },
});

Deno.test({
  name: "a connection that is cut between two rows is an error to a client that stays",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ standbys: 0 });
    await using way = new Way(replicas.nodes[0]!);
    const nodes = [{ name: "n1", host: "127.0.0.1", port: way.port }];
    await using pgplex = await startPgplex({
      config: watchedConfig(nodes, { clusters: { main: { nodes, superuser: null } } }),
    });
    await using client = await WireClient.connect(pgplex, { user: "postgres", database: "postgres" });
    await client.query("SELECT 1");
    // RowDescription of one column named x, and ten rows of a hundred letters.
    const [described, row] = [7 + 2 + 18, 5 + 2 + 4 + 100];
    way.breakBehind(described + 10 * row);
    const messages = await client.query("SELECT repeat('x', 100) AS x FROM generate_series(1, 1000)");
    assert.equal(rowsOf(messages).length, 10);
    assert.equal(errorOf(messages)!["C"], "40003");
    way.breakBehind(Infinity);
    assert.equal(told(await client.query("SELECT 1")), "T D SELECT 1 ZI");
  },
});

Deno.test({
  name:
    "a server in whose place one listens that never accepts costs nobody else anything, and clients go on with the next",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ standbys: 2, setup: "CREATE TABLE w (n int)" });
    await using watched = await Watched.start(watchedConfig(replicas.config, { monitor: {} }));
    await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
    await using idle = await watched.client();
    await idle.query(`SET "my.name" = 'kept'`);
    await using reader = await WireClient.connect(watched.pgplex, {
      user: "postgres",
      database: "postgres",
      params: { options: "-c pgplex.intent=read" },
    });
    const reads = async () => rowsOf(await reader.query("SELECT pg_is_in_recovery()"))[0]![0] === "t";
    await waitFor(reads, { what: "a standby to serve" });
    await using inTransaction = await watched.client();
    await inTransaction.query("BEGIN; INSERT INTO w VALUES (1)");
    const [first] = replicas.nodes;
    await first!.kill("SIGKILL");
    using _silent = await silentPort("127.0.0.1", first!.port);
    // While it is not known to be gone, who reads elsewhere and who logs in waits for nothing.
    let slowestMs = 0;
    const busy = (async () => {
      while (!(await watched.state()).startsWith("n1 primary down")) {
        const beganMs = performance.now();
        assert.equal(await reads(), true);
        await using _client = await watched.client();
        slowestMs = Math.max(slowestMs, performance.now() - beganMs);
      }
    })();
    await busy;
    assert.ok(slowestMs < 1000, `${slowestMs} ms`);
    await replicas.promote(1);
    await watched.becomes("n1 unknown down, n2 primary up, n3 standby up");
    assert.equal(told(await inTransaction.query("COMMIT")), "ERROR 40001 ZI");
    assert.equal(told(await idle.query("INSERT INTO w VALUES (2)")), "INSERT 0 1 ZI");
    assert.deepEqual(rowsOf(await idle.query("SHOW my.name")), [["kept"]]);
    assert.equal(told(await inTransaction.query("SELECT n FROM w")), "T D SELECT 1 ZI");
  },
});
