import assert from "node:assert/strict";
import { succeed } from "../harness/console_shown.ts";
import { type PostgresNode, tempDir, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";
import { Way } from "../harness/way.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** Of this major there is an installation with pg_rewind on many machines; what is downloaded has none. */
const BIN = "/usr/lib/postgresql/15/bin";
const hasRewind = await Deno.stat(`${BIN}/pg_rewind`).then(() => true, () => false);

/** Two nodes, the first behind a way that may break, and a pgplex that is started again and again. */
class Night implements AsyncDisposable {
  readonly replicas: Replicas;
  readonly way: Way;
  readonly stateFile: string;
  watched: Watched;
  #seen = 0;

  private constructor(replicas: Replicas, way: Way, stateFile: string, watched: Watched) {
    this.replicas = replicas;
    this.way = way;
    this.stateFile = stateFile;
    this.watched = watched;
  }

  static async begin(folder: string): Promise<Night> {
    const replicas = await Replicas.start({
      major: 15,
      binDir: BIN,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
      setup: "CREATE TABLE w (t text)",
    });
    const way = new Way(replicas.nodes[0]!);
    const stateFile = `${folder}/state`;
    const watched = await Watched.start(configOf(replicas, way, stateFile));
    return new Night(replicas, way, stateFile, watched);
  }

  get config(): Record<string, unknown> {
    return configOf(this.replicas, this.way, this.stateFile);
  }

  node(index: number): PostgresNode {
    return this.replicas.nodes[index]!;
  }

  /** Stops pgplex, does something, and starts it again. */
  async restart(meanwhile: () => Promise<unknown>): Promise<void> {
    await this.watched[Symbol.asyncDispose]();
    await meanwhile();
    this.watched = await Watched.start(this.config);
    this.#seen = 0;
  }

  /** Waits for this in a line of the log behind those that were waited for before. */
  async says(text: RegExp): Promise<void> {
    await waitFor(() => text.test(this.watched.pgplex.log.slice(this.#seen)), {
      what: `the log to say ${text}`,
      deadlineMs: 30_000,
    }).catch((thrown) => {
      throw new Error(`${(thrown as Error).message}\n${this.watched.pgplex.log.slice(this.#seen)}`);
    });
    this.#seen = this.watched.pgplex.log.length;
  }

  /** Waits until clients are served, by this node. */
  async served(index: number): Promise<void> {
    await waitFor(async () => (await this.watched.cluster())["phase"] === "serving", {
      what: "the cluster to be served",
      deadlineMs: 30_000,
    });
    assert.equal(await this.watched.port(), this.node(index).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watched[Symbol.asyncDispose]();
    await this.way[Symbol.asyncDispose]();
    await this.replicas[Symbol.asyncDispose]();
  }
}

function configOf({ config: [first, second] }: Replicas, { port }: Way, stateFile: string) {
  const nodes = [{ ...first, port }, second!];
  return watchedConfig(nodes, {
    clusters: { main: { nodes, failover: "auto", max_failover_lag: "100kB", failover_interval: "1s" } },
    state_file: stateFile,
    monitor: { connect_timeout: "1s", query_timeout: "1s", failure_timeout: "2s" },
  });
}

/** What stands in the first column of the table of bad nights in docs/FAILOVER.md, and how it comes and goes. In their order. */
const NIGHTS: readonly [what: string, night: (night: Night) => Promise<void>][] = [
  ["`n1 is not given up: …`", async (night) => {
    night.way.break();
    await night.says(/n1 is not given up: /);
    assert.equal((await night.watched.cluster())["epoch"], "1");
    night.way.breakBehind(Infinity);
    await night.served(0);
  }],
  ["a candidate is too far behind", async (night) => {
    await night.node(1).stop();
    await night.watched.sql("INSERT INTO w SELECT repeat(md5(i::text), 30) FROM generate_series(1, 2000) i");
    // How far the primary is has to be seen, too.
    const lsn = async () => (await night.watched.nodes())[0]!["lsn"];
    const before = await lsn();
    await waitFor(async () => await lsn() !== before, { what: "another sample" });
    await night.node(0).kill("SIGKILL");
    night.way.break();
    await night.node(1).start();
    await night.says(/n2 is \d+ bytes behind: max_failover_lag is/);
    await succeed(night.watched.console, "FAILOVER main FORCE");
    await night.served(1);
  }],
  ["`n1 says that it is a primary, and is not served: REJOIN it`", async (night) => {
    await night.node(0).start();
    night.way.breakBehind(Infinity);
    await night.says(/n1 says that it is a primary, and is not served: REJOIN it/);
    assert.match(await night.watched.state(), /^n1 stale up/);
    // That is what it says until somebody does something; the next night is about a rejoin that fails.
  }],
  ["`n1 is not a standby: …. REJOIN tries again`", async (night) => {
    // pg_rewind does not get past a folder that it may not read.
    const folder = `${night.node(0).dataDir}/base/unreadable`;
    await Deno.mkdir(folder, { mode: 0o000 });
    await succeed(night.watched.console, "REJOIN main.n1");
    await night.says(/n1 is not a standby: .*REJOIN tries again/);
    const condition = async () =>
      (await night.watched.nodes()).find(({ node }) => node === "n1")!["condition"];
    await waitFor(async () => await condition() === "quarantined", { what: "n1 to be put in quarantine" });
    await Deno.remove(folder);
    await night.node(0).adopt();
    if (night.node(0).pid === null) await night.node(0).start();
    await waitFor(async () => (await night.watched.nodes())[0]!["health"] === "up", {
      what: "n1 to answer",
      deadlineMs: 30_000,
    });
    await succeed(night.watched.console, "REJOIN main.n1");
    await night.watched.becomes("n1 standby up, n2 primary up");
    await waitFor(async () => await condition() === null, { what: "n1 to be accepted", deadlineMs: 30_000 });
    await night.node(0).adopt();
  }],
  ["the state file was damaged and is put aside", async (night) => {
    await night.restart(() => Deno.writeTextFile(night.stateFile, "{ nothing of the kind }"));
    await night.says(/damaged/);
    assert.match(await Deno.readTextFile(`${night.stateFile}.damaged`), /nothing of the kind/);
    await night.served(1);
  }],
  ["`n1, which is the primary, is not in the file any more`", async (night) => {
    const { clusters: { main } } = night.config as { clusters: { main: { nodes: unknown[] } } };
    const without = { ...night.config, clusters: { main: { ...main, nodes: main.nodes.slice(0, 1) } } };
    await night.watched.pgplex.reload(without);
    await night.says(/n2, which is the primary, is not in the file any more/);
    await night.watched.pgplex.reload(night.config);
    await night.served(1);
  }],
  ["there is no record of the cluster, and … may be its primary", async (night) => {
    await night.restart(async () => {
      await Deno.remove(night.stateFile);
      await night.node(0).stop();
      night.way.break();
    });
    await night.says(/there is no record of the cluster, and n1 may be its primary/);
    // Not while one that may be the primary is silent.
    assert.equal((await night.watched.cluster())["phase"], "holding");
    await night.node(0).start();
    night.way.breakBehind(Infinity);
    await night.served(1);
    await night.restart(async () => {
      await Deno.remove(night.stateFile);
      await night.node(0).stop();
      night.way.break();
    });
    await night.says(/there is no record of the cluster/);
    await succeed(night.watched.console, "FAILOVER main TO n2");
    await night.served(1);
  }],
];

Deno.test({
  name: `each bad night of docs/FAILOVER.md comes and goes as it stands there${
    hasRewind ? "" : ` (skipped: ${BIN}/pg_rewind is missing)`
  }`,
  ignore: !hasRewind,
  ...RESTARTS,
  fn: async (t) => {
    const docs = await Deno.readTextFile(new URL("../../docs/FAILOVER.md", import.meta.url));
    const table = docs.slice(docs.indexOf("### Bad nights")).split("\n").filter((line) =>
      line.startsWith("|")
    ).slice(2);
    assert.deepEqual(table.map((line) => line.split("|")[1]!.trim()), NIGHTS.map(([what]) => what));
    await using dir = await tempDir();
    await using night = await Night.begin(dir.path);
    await night.watched.becomes("n1 primary up, n2 standby up");
    for (const [what, comesAndGoes] of NIGHTS) {
      assert.equal(await t.step(what, () => comesAndGoes(night)), true);
    }
  },
});
