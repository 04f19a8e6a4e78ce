import assert from "node:assert/strict";
import { rowsOf, tempDir, waitFor, type WireClient } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { NumberedWriter } from "../harness/numbered.ts";
import { Replicas } from "../harness/replicas.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** Of this major there is an installation with pg_rewind on many machines; what is downloaded has none. */
const BIN = "/usr/lib/postgresql/15/bin";
const hasRewind = await Deno.stat(`${BIN}/pg_rewind`).then(() => true, () => false);

const WRITERS = 40;
const IDLE = 10;

/** From the kill to the first write: of a killed primary, and what `failure_timeout` adds for one that only hangs. */
const WRITE_WITHIN_MS = 3000;
const FAILURE_TIMEOUT_MS = 3000;

/** What a client may hear that was in the middle of a write. */
const IN_FLIGHT = new Set(["40001", "40003"]);

/** When the old primary comes back. */
const COMES_BACK = ["before it is missed", "while it is replaced", "behind that"] as const;

Deno.test({
  name:
    `primaries are killed and stopped, one after the other, under forty writers: each is replaced in time, nothing ` +
    `acknowledged is lost, and the others follow${
      hasRewind ? "" : ` (skipped: ${BIN}/pg_rewind is missing)`
    }`,
  ignore: !hasRewind,
  ...RESTARTS,
  fn: async () => {
    const random = new Seeded(announceSeed());
    const rounds = Number(Deno.env.get("PGPLEX_KILLS") ?? "3");
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      major: 15,
      binDir: BIN,
      standbys: 2,
      // Debian names every cluster so.
      settings: { wal_log_hints: "on", full_page_writes: "on", cluster_name: "15/main" },
      setup: "CREATE TABLE w (n int); CREATE INDEX ON w (n)",
    });
    for (const node of replicas.nodes) await node.reload({ synchronous_standby_names: "ANY 1 (n1, n2, n3)" });
    await using watched = await Watched.start(watchedConfig(replicas.config, {
      // Rounds follow each other faster than failovers may by default.
      clusters: { main: { nodes: replicas.config, failover: "auto", failover_interval: "100ms" } },
      state_file: `${dir.path}/state`,
      monitor: {},
    }));
    const kills = new Kills(replicas, watched, random);
    await kills.begin();
    for (let round = 0; round < rounds; round++) {
      // The first rounds are one of each kind.
      const comesBack = round < 3 ? COMES_BACK[2 - round]! : random.pick(COMES_BACK);
      const signal = round === 1 || (round > 2 && random.chance(0.3)) ? "SIGSTOP" : "SIGKILL";
      try {
        await kills.round(signal, comesBack);
      } catch (thrown) {
        throw new Error(
          `round ${round}, ${signal}, back ${comesBack}: ${(thrown as Error).message}\n${await kills.told()}`,
          { cause: thrown },
        );
      }
    }
    await kills.end();
  },
});

/** The cluster, its writers and its idle clients. */
class Kills {
  readonly #replicas: Replicas;
  readonly #watched: Watched;
  readonly #random: Seeded;
  readonly #writers: NumberedWriter[] = [];
  readonly #idle: WireClient[] = [];
  readonly #clients: WireClient[] = [];
  /** From each kill to the first write behind it, in milliseconds, by signal. */
  readonly #pausesMs: Record<string, number[]> = { SIGKILL: [], SIGSTOP: [] };
  #logged = 0;
  #moves = 0;
  /** Up to where each writer's rows were found. */
  #checked: readonly number[] = [];

  constructor(replicas: Replicas, watched: Watched, random: Seeded) {
    this.#replicas = replicas;
    this.#watched = watched;
    this.#random = random;
  }

  /** The log of the round, without what is only for people who look for defects, and what the servers said last. */
  async told(): Promise<string> {
    const lines = this.#watched.pgplex.log.slice(this.#logged).split("\n");
    const servers = await Promise.all(
      this.#replicas.nodes.map(async (node, index) =>
        `${this.#replicas.names[index]}:\n${(await node.log()).split("\n").slice(-30).join("\n")}`
      ),
    );
    const active = await Promise.all(
      this.#replicas.nodes.map((node) =>
        node.sql(
          "SELECT pid, state, wait_event, query FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND state <> 'idle'",
        )
          .catch(String)
      ),
    );
    const { console } = this.#watched;
    const busy = async (table: string) =>
      (await shown(console, `SHOW ${table}`)).filter(({ state }) => state !== "idle").map((row) =>
        JSON.stringify(row)
      );
    return [
      ...lines.filter((line) => !/ DEBUG /.test(line)).slice(-80),
      ...servers,
      ...active.map((rows) => JSON.stringify(rows)),
      ...await busy("CLIENTS"),
      ...await busy("SERVERS"),
      ...this.#writers.map(({ failed }, i) => `writer ${i}: ${failed.slice(-3).join(", ")}`),
    ].join("\n");
  }

  async begin(): Promise<void> {
    const watched = this.#watched;
    await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
    for (let i = 0; i < IDLE; i++) {
      const client = await watched.client();
      await client.query(`SET "my.name" = 'idle ${i}'`);
      this.#idle.push(client);
    }
    await waitFor(async () => {
      const pools = await shown(watched.console, "SHOW POOLS");
      return pools.every((row) => Number(row["sv_active"]) + Number(row["sv_tested"]) === 0);
    }, { what: "the idle clients to be at rest" });
    for (let i = 0; i < WRITERS; i++) {
      const client = await watched.client();
      this.#clients.push(client);
      const writer = new NumberedWriter(client, { first: i, step: WRITERS });
      this.#writers.push(writer);
      writer.start();
    }
  }

  async round(signal: "SIGKILL" | "SIGSTOP", comesBack: (typeof COMES_BACK)[number]): Promise<void> {
    const { nodes, names } = this.#replicas;
    this.#logged = this.#watched.pgplex.log.length;
    await Promise.all(this.#writers.map((writer) => writer.writes(5)));
    const { primary, epoch } = await this.#watched.cluster();
    const index = names.indexOf(primary!);
    const node = nodes[index]!;
    await node.adopt();
    const failedBefore = this.#writers.map(({ failed }) => failed.length);
    await node.kill(signal);
    const killedMs = performance.now();
    const firstWrite = this.#firstWrite(killedMs);
    const moved = async () => (await this.#watched.cluster())["epoch"] !== epoch;
    if (comesBack === "before it is missed") {
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(300)));
    } else if (comesBack === "while it is replaced") {
      await waitFor(moved, { what: "the move to begin", everyMs: 10, deadlineMs: 20_000 });
    } else await firstWrite;
    const back = this.#comeBack(index, signal);
    const pauseMs = await firstWrite;
    this.#pausesMs[signal]!.push(pauseMs);
    await back;
    await waitFor(async () => (await this.#watched.cluster())["phase"] === "serving", {
      what: "the cluster to be served",
      deadlineMs: 30_000,
    });
    const isMoved = (await this.#watched.cluster())["primary"] !== primary;
    if (isMoved) this.#moves++;
    console.log(
      `${primary} ${signal}, back ${comesBack}: first write after ${pauseMs.toFixed()} ms${
        isMoved ? "" : ", not moved"
      }`,
    );
    const limitMs = WRITE_WITHIN_MS + (signal === "SIGSTOP" ? FAILURE_TIMEOUT_MS : 0);
    assert.ok(pauseMs < limitMs, `the first write came ${pauseMs.toFixed()} ms behind the kill`);
    await this.#allFollow(isMoved ? primary! : null);
    await Promise.all(this.#writers.map((writer) => writer.writes(2)));
    for (const [i, { failed }] of this.#writers.entries()) {
      const since = failed.slice(failedBefore[i]);
      assert.ok(since.length <= 1 && since.every((code) => IN_FLIGHT.has(code)), `writer ${i}: ${since}`);
    }
    await this.#idleAreWell();
    this.#checked = await this.#nothingIsLost(this.#checked);
  }

  async end(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    await this.#nothingIsLost([]);
    for (const client of [...this.#idle, ...this.#clients]) await client.close();
    for (const [signal, pausesMs] of Object.entries(this.#pausesMs)) {
      const sorted = pausesMs.toSorted((a, b) => a - b).map(Math.round);
      if (sorted.length === 0) continue;
      console.log(
        `${signal}, ${sorted.length} times: first write after ${sorted[sorted.length >> 1]} ms (median), ${
          sorted.at(-1)
        } ms (worst)`,
      );
    }
    const acknowledged = this.#writers.reduce((sum, writer) => sum + writer.acknowledged.length, 0);
    console.log(`${this.#moves} failovers, ${acknowledged} acknowledged rows`);
  }

  /** How long behind the kill a write was acknowledged first that began behind it. */
  async #firstWrite(killedMs: number): Promise<number> {
    const first = () => Math.min(...this.#writers.map((writer) => writer.firstBehind(killedMs) ?? Infinity));
    await waitFor(() => first() < Infinity, { what: "a write", everyMs: 5, deadlineMs: 30_000 });
    return first() - killedMs;
  }

  /** It is started again, or goes on. */
  async #comeBack(index: number, signal: "SIGKILL" | "SIGSTOP"): Promise<void> {
    const node = this.#replicas.nodes[index]!;
    // It may be stopped, to be made a standby, before it is ready.
    if (signal === "SIGKILL") await node.start().catch(() => {});
    else await node.kill("SIGCONT");
  }

  /** All three are up, and both standbys stream from the primary; who was replaced is made a standby by an operator. */
  async #allFollow(replaced: string | null): Promise<void> {
    const watched = this.#watched;
    let last = "";
    const isStandby = async () => {
      last = await watched.state();
      return last.includes(`${replaced} standby up`);
    };
    if (replaced !== null) {
      await waitFor(async () => /stale up/.test(await watched.state()) || await isStandby(), {
        what: `${replaced} to be seen`,
        deadlineMs: 20_000,
      });
      await watched.console.query(`REJOIN main.${replaced}`);
      await waitFor(isStandby, { what: `${replaced} to be a standby`, deadlineMs: 60_000 }).catch(
        (thrown) => {
          throw new Error(`${thrown.message}: ${last}`);
        },
      );
    }
    const { primary } = await watched.cluster();
    const at = this.#replicas.names.indexOf(primary!);
    let rows: unknown;
    await waitFor(async () => {
      rows = await this.#replicas.nodes[at]!.sql(
        "SELECT application_name, state, sync_state FROM pg_stat_replication",
      );
      return (rows as { state: string; sync_state: string }[]).filter(({ state, sync_state }) =>
        state === "streaming" && sync_state === "quorum"
      ).length === 2;
    }, { what: "both standbys to follow, and to count for commits", deadlineMs: 30_000 }).catch((thrown) => {
      throw new Error(`${thrown.message}: ${JSON.stringify(rows)}`);
    });
  }

  async #idleAreWell(): Promise<void> {
    for (const [i, client] of this.#idle.entries()) {
      const messages = await client.query("SHOW my.name");
      assert.deepEqual(rowsOf(messages), [[`idle ${i}`]], JSON.stringify(messages));
    }
  }

  /** Of each row that was acknowledged behind `from`, by writer, there is one, and of none two. Up to where that is known. */
  async #nothingIsLost(from: readonly number[]): Promise<number[]> {
    const known = this.#writers.map(({ acknowledged, failedNumbers }, writer) => {
      const after = from[writer] ?? -1;
      return {
        writer,
        after,
        last: acknowledged.at(-1)!,
        count: acknowledged.length - acknowledged.findLastIndex((n) => n <= after) - 1,
        failed: failedNumbers.filter((n) => n > after),
      };
    });
    const first = Math.min(...known.map(({ after }) => after));
    const { primary } = await this.#watched.cluster();
    const server = this.#replicas.nodes[this.#replicas.names.indexOf(primary!)]!;
    const rows = await server.sql(`SELECT k.writer, count(*)::int AS there, count(DISTINCT n)::int AS distinct
      FROM json_to_recordset('${JSON.stringify(known)}') AS k(writer int, after int, last int, failed json)
      JOIN w ON n % ${WRITERS} = k.writer AND n > k.after AND n <= k.last AND n > ${first}
        AND NOT EXISTS (SELECT FROM json_array_elements_text(k.failed) f WHERE f::int = n)
      GROUP BY 1 ORDER BY 1`);
    assert.deepEqual(
      rows,
      known.map(({ writer, count }) => ({ writer, there: count, distinct: count })),
      "acknowledged rows are missing, or there twice",
    );
    const [row] = await server.sql(
      `SELECT count(*) - count(DISTINCT n) AS twice FROM w WHERE n > ${first}`,
    );
    assert.equal(row!["twice"], "0");
    return known.map(({ last }) => last);
  }
}
