import assert from "node:assert/strict";
import { errorOf, rowsOf, startPgplex, waitFor, WireClient } from "../harness/mod.ts";
import { silentPort } from "../harness/network_pair.ts";
import { Replicas } from "../harness/replicas.ts";
import { Way } from "../harness/way.ts";
import { told } from "../harness/survivors.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

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
