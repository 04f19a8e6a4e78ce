import assert from "node:assert/strict";
import { makeCerts, rowsOf, startPgplex, startPostgres, WireClient } from "../harness/mod.ts";
import { assertSound, OBSERVED_LOG, residentBytes, statsSettle } from "../harness/observed.ts";
import { FUZZER, fuzzStages, mutated, readToEnd, type Stage } from "../harness/fuzz_stages.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";

/** Connections that are fuzzed, of which the first are to warm the process up. */
const CONNECTIONS = 3000;
const WARM_UP = 1500;
/** Connections that wait for a lease, each for query_wait_timeout. */
const WAITING_CONNECTIONS = 300;

const POOL_SIZE = 8;
const LANES = 16;
const WAITING_LANES = 48;

/**
 * V8's heap grows for the first 6,000 connections or so, by 50 MB, and then no more: a leak of a buffer for each
 * connection would be less, but counts as `buffers_lent`; one of a session with its stream would be more.
 */
const GROWTH_BYTES_MAX = 80 << 20;

const MALICE = ["truncated", "oversized", "random", "mutated"] as const;

const quietly = { sanitizeOps: true, sanitizeResources: true };

Deno.test({
  name: "wrong bytes at any stage end that connection only, cost no memory and leave no lease",
  ...quietly,
  async fn() {
    const seed = announceSeed();
    await using certs = await makeCerts();
    await using node = await startPostgres({ major: 18, auth: "trust", settings: { max_connections: "60" } });
    await node.sql("CREATE ROLE fuzz LOGIN; CREATE TABLE fuzz (a text); GRANT ALL ON fuzz TO fuzz");
    await using pgplex = await startPgplex({
      config: {
        listen: {
          client_login_timeout: "5s",
          tls: { mode: "allow", cert_file: certs.server.certFile, key_file: certs.server.keyFile },
        },
        auth: { users: { fuzz: FUZZER.password } },
        clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
        routing: {
          databases: {
            transaction: { cluster: "main", database: "postgres", pool_mode: "transaction" },
            session: { cluster: "main", database: "postgres", pool_mode: "session" },
            narrow: {
              cluster: "main",
              database: "postgres",
              default_pool_size: 1,
              query_wait_timeout: "500ms",
            },
          },
        },
        pool: { default_pool_size: POOL_SIZE, query_wait_timeout: "10s" },
        log: OBSERVED_LOG,
      },
    });
    const { stages, waiting } = await fuzzStages();

    await using holder = await WireClient.connect(pgplex, { ...FUZZER, database: "narrow" });
    await holder.query("BEGIN");
    const bystanders = await Promise.all(
      ["transaction", "session"].map((database, i) =>
        Bystander.connect(pgplex, database, ["Asia/Kolkata", "America/Caracas"][i]!)
      ),
    );

    const outcomes = new Map<string, number>();
    const fuzz = async (stage: Stage, index: number) => {
      await fuzzOne(pgplex, stage, { seed, index, outcomes });
      if (index % 2 === 0) await bystanders[index / 2 % 2]!.isUndisturbed();
    };
    const stageOf = (index: number) => stages[index % stages.length]!;

    await inLanes(LANES, range(0, WARM_UP), (index) => fuzz(stageOf(index), index));
    const beforeBytes = await residentBytes(pgplex.pid);
    await Promise.all([
      inLanes(LANES, range(WARM_UP, CONNECTIONS), (index) => fuzz(stageOf(index), index)),
      inLanes(WAITING_LANES, range(0, WAITING_CONNECTIONS), (index) => fuzz(waiting, CONNECTIONS + index)),
    ]);
    const grownBytes = await residentBytes(pgplex.pid) - beforeBytes;

    for (const bystander of bystanders) await bystander[Symbol.asyncDispose]();
    await holder.query("COMMIT");
    await holder.close();
    const said = [...outcomes].sort().map(([what, count]) => `${what}: ${count}`).join(", ");
    console.log(`${said}\nresident memory grew by ${(grownBytes / 2 ** 20).toFixed(1)} MB`);
    assert.ok(grownBytes < GROWTH_BYTES_MAX, `resident memory grew by ${grownBytes} bytes`);
    const { servers_idle } = await statsSettle(pgplex, {
      clients: 0,
      connections: 0,
      waiting: 0,
      servers_active: 0,
      servers_login: 0,
      buffers_lent: 0,
    });
    const [{ count }] = await node.sql(
      "SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'fuzz'",
    ) as [{ count: number }];
    assert.ok(count <= 2 * POOL_SIZE + 1, `${count} server connections are left`);
    assert.equal(count, servers_idle);
    assertSound(pgplex);
  },
});

/** Opens one connection, brings it to its stage, sends what is wrong, and waits until it is closed. */
async function fuzzOne(
  target: { host: string; port: number },
  stage: Stage,
  { seed, index, outcomes }: { seed: number; index: number; outcomes: Map<string, number> },
): Promise<void> {
  const random = new Seeded(seed, index);
  const malice = random.pick(MALICE);
  try {
    await using client = await WireClient.open(target);
    await stage.reach(client, random);
    // pgplex may close before it has taken all.
    await client.send(wrongBytes(stage, malice, random)).catch(() => {});
    let outcome = "reset";
    if (malice !== "oversized" && random.chance(0.3)) client.socket.reset();
    else {
      if (malice !== "oversized") client.socket.end();
      outcome = await readToEnd(client, stage);
    }
    const key = `${malice}: ${outcome}`;
    outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
  } catch (thrown) {
    const what = `connection ${index} of seed ${seed}, ${stage.name}, ${malice}`;
    throw new Error(`${what}: ${(thrown as Error).message}`, { cause: thrown });
  }
}

function wrongBytes(stage: Stage, malice: typeof MALICE[number], random: Seeded): Uint8Array {
  switch (malice) {
    case "truncated": {
      const valid = stage.valid(random);
      return valid.slice(0, random.below(valid.length));
    }
    case "oversized":
      return stage.oversized(random);
    case "random":
      return random.bytes(random.between(1, 2 ** random.between(1, 15)));
    case "mutated":
      return mutated(stage.valid(random), random);
  }
}

/** A session with settings of its own that is asked for them again and again. */
class Bystander implements AsyncDisposable {
  readonly #client: WireClient;
  readonly #zone: string;
  readonly #name = `bystander ${crypto.randomUUID()}`;
  #asked = 0;
  #asking: Promise<void> = Promise.resolve();

  private constructor(client: WireClient, zone: string) {
    this.#client = client;
    this.#zone = zone;
  }

  static async connect(target: { port: number }, database: string, zone: string): Promise<Bystander> {
    const bystander = new Bystander(await WireClient.connect(target, { ...FUZZER, database }), zone);
    await bystander.#client.query(`SET TimeZone = '${zone}'; SET application_name = '${bystander.#name}'`);
    return bystander;
  }

  /** Asserts that the session is as it was, when all earlier questions are answered. */
  isUndisturbed(): Promise<void> {
    return this.#asking = this.#asking.then(async () => {
      const value = `value ${++this.#asked}`;
      const sql = "SELECT $1, current_setting('TimeZone'), current_setting('application_name')";
      const messages = await this.#client.extended(sql, [value]);
      assert.deepEqual(rowsOf(messages), [[value, this.#zone, this.#name]]);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

function range(from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

/** Calls `work` for each value, so many at a time; stops at the first failure. */
async function inLanes<T>(
  lanes: number,
  values: readonly T[],
  work: (value: T) => Promise<void>,
): Promise<void> {
  const queue = values.values();
  let failed = false;
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const value of queue) {
      if (failed) return;
      await work(value).catch((thrown) => {
        failed = true;
        throw thrown;
      });
    }
  }));
}
