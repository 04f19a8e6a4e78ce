import assert from "node:assert/strict";
import {
  freePort,
  pgbench,
  type PgplexProcess,
  psql,
  startPgplex,
  startPostgres,
  tempDir,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { one } from "../harness/served.ts";

// Ten and more where somebody has the time: a replacement takes about six seconds.
const TIMES = Number(Deno.env.get("PGPLEX_REPLACEMENTS") ?? 3);

/** Clients that stay: each has transactions of two statements, and connects again when it is told to between two of them. */
class Stayers {
  transactions = 0;
  told = 0;
  readonly failures: string[] = [];
  readonly #target: { host: string; port: number };
  #ended = false;
  readonly #running: Promise<void>[] = [];

  constructor(target: { host: string; port: number }, count: number) {
    this.#target = target;
    for (let i = 0; i < count; i++) this.#running.push(this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      try {
        await using client = await WireClient.connect(this.#target, { user: "postgres", database: "app" });
        while (!this.#ended && await this.#transaction(client));
      } catch (error) {
        this.failures.push(String(error));
        return;
      }
    }
  }

  /** @returns false where the session was ended in front of it */
  async #transaction(client: WireClient): Promise<boolean> {
    const begun = await client.query("BEGIN").catch(() => []);
    if (begun.length === 0 || begun.some(({ type, fields }) => type === "E" && fields?.["C"] === "57P01")) {
      this.told++;
      return false;
    }
    await one(client, "SELECT pg_sleep(0.02)");
    await one(client, "COMMIT");
    this.transactions++;
    return true;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#running);
  }
}

Deno.test(`a new pgplex replaces the old one under load, ${TIMES} times, without a failed transaction`, async () => {
  await using node = await startPostgres({ major: 15, auth: "trust", settings: { max_connections: "200" } });
  await using dir = await tempDir();
  await Deno.chmod(dir.path, 0o777);
  const port = freePort();
  const config = {
    listen: { address: "127.0.0.1", port, unix_socket_dir: dir.path, reuse_port: true },
    auth: { type: "trust" },
    routing: { default_cluster: "main", databases: { app: { cluster: "main", database: "postgres" } } },
    // An arbiter, whose state file one process has at a time.
    clusters: {
      main: { failover: "manual", nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }] },
    },
    state_file: `${dir.path}/pgplex.state`,
  };
  const start = async (): Promise<PgplexProcess> => {
    const pgplex = await startPgplex({ config });
    await waitFor(() => pgplex.log.includes("pgplex is ready"), { what: "the start of the new one" });
    return pgplex;
  };
  const script = `${dir.path}/script.sql`;
  await Deno.writeTextFile(script, "BEGIN;\nSELECT 1;\nCOMMIT;\n");
  let running = await start();
  const args = ["-C", "-n", "-c", "8", "-j", "2", "-f", script];
  const load = (host: string, seconds: number) =>
    pgbench([...args, "-T", String(seconds)], {
      connection: { host, port, user: "postgres", database: "app" },
      deadlineMs: 120_000,
    });
  const stayers = new Stayers({ host: "127.0.0.1", port }, 4);
  const loads: Awaited<ReturnType<typeof pgbench>>[] = [];
  let going = true;
  const keepLoading = async (host: string) => {
    while (going) loads.push(await load(host, 3));
  };
  const loading = [keepLoading("127.0.0.1"), keepLoading(dir.path)];
  try {
    for (let time = 0; time < TIMES; time++) {
      const next = await start();
      const [old, before] = [running, stayers.transactions];
      running = next;
      assert.equal(await old.stop(), 0);
      assert.match(old.log, /another pgplex listens here too/);
      assert.doesNotMatch(old.log, /internal error/);
      await old[Symbol.asyncDispose]();
      await waitFor(() => stayers.transactions > before + 20, { what: "transactions through the new one" });
    }
  } finally {
    going = false;
    await Promise.all(loading);
    await stayers.end();
    await running[Symbol.asyncDispose]();
  }
  assert.deepEqual(stayers.failures, []);
  assert.ok(stayers.told >= TIMES, "sessions end between two transactions, and go on with the new one");
  for (const { code, stdout, stderr } of loads) {
    assert.equal(code, 0, stderr);
    assert.match(stdout, /number of failed transactions: 0 /);
    assert.doesNotMatch(stderr, /error|aborted/);
  }
});

Deno.test("without reuse_port the address is taken, and one with it that is alone stops as ever", async () => {
  await using node = await startPostgres({ major: 15, auth: "trust" });
  const config = (listen: Record<string, unknown>) => ({
    listen: { port: freePort(), ...listen },
    auth: { type: "trust" },
    routing: { default_cluster: "main" },
    clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }] } },
  });
  await using first = await startPgplex({ config: config({}) });
  await using second = await startPgplex({ config: config({ port: first.port, reuse_port: true }) });
  await waitFor(() => !second.running, { what: "the end of the second one" });
  assert.match(second.log, /in use/);
  await using alone = await startPgplex({ config: config({ reuse_port: true }) });
  const asked = {
    connection: { host: "127.0.0.1", port: alone.port, user: "postgres", database: "postgres" },
  };
  assert.equal((await psql(["-Atc", "SELECT 1"], asked)).stdout, "1\n");
  assert.equal(await alone.stop(), 0);
  assert.doesNotMatch(alone.log, /another pgplex/);
});

Deno.test("pgplex listens on 0.0.0.0 and :: together, in either order, and with runtime sockets it says what to do", async () => {
  await using node = await startPostgres({ major: 15, auth: "trust" });
  const config = (address: string[], more = {}) => ({
    listen: { address },
    auth: { type: "trust" },
    routing: { default_cluster: "main" },
    clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }] } },
    ...more,
  });
  for (const address of [["0.0.0.0", "::"], ["::", "0.0.0.0"], ["::"]]) {
    await using pgplex = await startPgplex({ config: config(address) });
    for (const host of ["127.0.0.1", "::1"]) {
      const connection = { host, port: pgplex.port, user: "postgres", database: "postgres" };
      assert.equal((await psql(["-Atc", "SELECT 1"], { connection })).stdout, "1\n", `${host} of ${address}`);
    }
  }
  await assert.rejects(
    startPgplex({ config: config(["0.0.0.0", "::"], { io_method: "runtime" }) }),
    /:: beside an IPv4 address needs io_method epoll/,
  );
});
