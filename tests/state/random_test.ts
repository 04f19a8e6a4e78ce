import assert from "node:assert/strict";
import { WireClient } from "../harness/mod.ts";
import { randomFrom } from "../harness/isolation_model.ts";
import { Served } from "../harness/served.ts";
import { RANDOM_SETUP, type RandomStep, RandomSteps } from "../harness/session_random.ts";
import { stateLine } from "../harness/state_play.ts";

const STEPS = Number(Deno.env.get("PGPLEX_RANDOM_STEPS") ?? 3000);
const SEED = Number(Deno.env.get("PGPLEX_TEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!);
const SESSIONS = 5;

const served = new Served({
  major: 18,
  setup: "CREATE ROLE app LOGIN; CREATE ROLE r1; CREATE ROLE r2; GRANT r1, r2 TO app",
  pools: {
    always: { default_pool_size: 3, query_wait_timeout: "20s", state_check: "always" },
    learn: { database: "learn", default_pool_size: 3, query_wait_timeout: "20s", state_check: "learn" },
  },
});

/** One session twice: through pgplex, and on a connection of its own in another database that is made alike. */
class Twin {
  readonly #pooled: WireClient;
  readonly #direct: WireClient;
  readonly #log: string[] = [];
  readonly pins: boolean;
  /** The name of a channel that nobody else speaks of. */
  readonly own: string;

  private constructor(pooled: WireClient, direct: WireClient, index: number) {
    this.#pooled = pooled;
    this.#direct = direct;
    this.pins = index === 0;
    this.own = `own${index}`;
  }

  static async start(index: number, alias: string): Promise<Twin> {
    const params = {
      application_name: `given ${index}`,
      ...(index === 1 ? { options: "-c work_mem=9MB -c a.b=given" } : {}),
    };
    const user = index % 2 === 0 ? "postgres" : "app";
    const direct = await WireClient.connect(served.node, { user, database: "beside", params });
    return new Twin(await served.client(alias, params, user), direct, index);
  }

  get inTransaction(): boolean {
    return this.#pooled.status !== "I";
  }

  async play(step: RandomStep): Promise<void> {
    this.#log.push(step.shown);
    const pooled = await answer(this.#pooled, step);
    assert.deepEqual(pooled, await answer(this.#direct, step), `after:\n${this.#log.slice(-15).join("\n")}`);
  }

  async close(): Promise<void> {
    await this.#pooled.close();
    await this.#direct.close();
  }
}

/** All that is answered but for reported settings, which may come in any order, and a moment later. */
async function answer(client: WireClient, { bytes, readies }: RandomStep): Promise<string[]> {
  await client.send(bytes);
  const lines: string[] = [];
  for (let left = readies; left > 0; left--) {
    lines.push(...(await client.readUntil("Z")).map(stateLine).map(comparable));
  }
  return lines.filter((line) => !line.startsWith("ParameterStatus"));
}

/**
 * Whether a connection has a temporary schema, which stays, is seen from the error by which what is not in it is missed; and which
 * one it has from the schema's OID in a detail.
 */
function comparable(line: string): string {
  return /^ErrorResponse .*pg_temp.* does not exist/.test(line)
    ? "ErrorResponse (it is not in pg_temp)"
    : line.replace(/^(ErrorResponse .*Key \(cfgname, cfgnamespace\)=\(ts, )\d+\)/, "$1…)");
}

async function play(seed: number, alias: string): Promise<void> {
  const random = randomFrom(seed);
  const steps = new RandomSteps(random);
  const twins: Twin[] = [];
  for (let index = 0; index < SESSIONS; index++) twins.push(await Twin.start(index, alias));
  try {
    await twins[0]!.play(steps.look());
    for (let step = 0; step < STEPS; step++) {
      // Who is pinned, or in a transaction, holds one of three connections.
      const holding = twins.filter(({ inTransaction, pins }) => inTransaction && !pins);
      const turn = holding.length < 2 ? twins : twins.filter(({ inTransaction }) => inTransaction);
      const twin = turn[random.below(turn.length)]!;
      try {
        await twin.play(steps.next(twin.pins, twin.own));
      } catch (thrown) {
        const message = `PGPLEX_TEST_SEED=${seed}, step ${step}: ${(thrown as Error).message}`;
        throw new Error(message, { cause: thrown });
      }
    }
  } finally {
    // Locks would be waited for.
    for (const twin of twins) await twin.close();
  }
}

Deno.test.beforeAll(async () => {
  await served.node.sql("CREATE DATABASE beside");
  await served.node.sql("CREATE DATABASE learn");
  for (const database of ["postgres", "beside", "learn"]) {
    await served.node.sql(RANDOM_SETUP.replace(":database", database), database);
  }
});

for (const check of ["always", "learn"]) {
  Deno.test(`Random statements of five sessions are answered over three connections as on five of their own: ${check}`, async () => {
    console.log(`PGPLEX_TEST_SEED=${SEED}`);
    await play(SEED, check);
  });
}
