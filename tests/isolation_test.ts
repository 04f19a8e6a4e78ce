import assert from "node:assert/strict";
import { errorOf, frontend, rowsOf, type WireClient } from "./harness/mod.ts";
import { type Random, randomFrom, SessionModel } from "./isolation_model.ts";
import { Served } from "./served.ts";

const SESSIONS = Number(Deno.env.get("PGPLEX_ISOLATION_SESSIONS") ?? 150);
const SECONDS = Number(Deno.env.get("PGPLEX_ISOLATION_SECONDS") ?? 12);
const SEED = Number(Deno.env.get("PGPLEX_TEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!);

const { bind, close, execute, parse, sync } = frontend;

const served = new Served({
  major: 18,
  setup: `
    CREATE ROLE app LOGIN; CREATE ROLE red; CREATE ROLE green; CREATE ROLE blue; GRANT red, green, blue TO app;
    CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE SCHEMA s3;
    GRANT USAGE ON SCHEMA s1, s2, s3 TO PUBLIC;
    CREATE TABLE s1.here AS SELECT 's1'::text AS v; CREATE TABLE s2.here AS SELECT 's2'::text AS v;
    CREATE TABLE s3.here AS SELECT 's3'::text AS v; CREATE TABLE public.here AS SELECT 'public'::text AS v;
    GRANT SELECT ON s1.here, s2.here, s3.here, public.here TO PUBLIC;
    CREATE FUNCTION public.set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config(name, value, false); END $$;
    CREATE TABLE public.secrets AS SELECT r AS owner, 'of ' || r AS v FROM unnest('{app,red,green,blue}'::text[]) r;
    ALTER TABLE public.secrets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.secrets USING (owner = current_user);
    GRANT SELECT ON public.secrets TO PUBLIC;
    GRANT CREATE, TEMPORARY ON DATABASE postgres TO PUBLIC;
  `,
  pools: { four: { default_pool_size: 4, query_wait_timeout: "60s" } },
});

/** One client that does what its own random numbers say, and knows what must be answered. */
class Walker {
  readonly #client: WireClient;
  readonly #model: SessionModel;
  readonly #random: Random;
  readonly #id: number;
  /** The last statements, for the message of a failure. */
  readonly #done: string[] = [];
  steps = 0;

  constructor(id: number, client: WireClient, model: SessionModel, random: Random) {
    this.#id = id;
    this.#client = client;
    this.#model = model;
    this.#random = random;
  }

  /** Goes on until `until`, and then to the end of its transaction and of what pins it. */
  async walk(until: () => boolean): Promise<void> {
    try {
      while (!until()) await this.#step();
      if (this.#model.inTransaction) await this.#sql("ROLLBACK", () => this.#model.rollback());
      await this.#sql("DISCARD ALL", () => this.#model.discardAll());
      await this.#look();
    } catch (thrown) {
      throw new Error(
        `session ${this.#id} (PGPLEX_TEST_SEED=${SEED}): ${(thrown as Error).message}\nafter:\n` +
          this.#done.slice(-25).join("\n"),
        { cause: thrown },
      );
    }
  }

  async #sql(sql: string, then: () => void): Promise<string | null> {
    this.steps++;
    this.#done.push(sql === this.#model.question ? "(look)" : sql);
    const messages = await this.#client.query(sql);
    const error = errorOf(messages);
    assert.equal(error, null, `${sql}: ${error?.["C"]} ${error?.["M"]}`);
    then();
    return rowsOf(messages).at(-1)?.[0] ?? null;
  }

  /** Everything that can be asked without changing anything. */
  async #look(): Promise<void> {
    assert.equal(await this.#sql(this.#model.question, () => {}), this.#model.answer);
  }

  async #step(): Promise<void> {
    const model = this.#model;
    const random = this.#random;
    // What pins is not kept for long: there are four connections for all.
    if (model.pinned && !model.inTransaction && random.below(3) === 0) return await this.#unpin();
    switch (random.below(18)) {
      case 0:
      case 1: {
        const [sql, then] = model.set(random);
        await this.#sql(sql, then);
        return;
      }
      case 2: {
        const [sql, then] = model.role(random);
        await this.#sql(sql, then);
        return;
      }
      case 3:
        if (model.inTransaction) {
          const commit = random.below(3) > 0;
          await this.#sql(commit ? "COMMIT" : "ROLLBACK", () => commit ? model.commit() : model.rollback());
        } else await this.#sql("BEGIN", () => model.begin());
        return;
      case 4:
        return await this.#prepare();
      case 5:
      case 6:
        return await this.#execute();
      case 7:
        return await this.#table();
      case 8:
        if (model.failed || random.below(2) === 0) return await this.#look();
        await this.#sql(`SELECT pg_advisory_lock(${this.#id})`, () => model.locks++);
        return;
      case 9:
        assert.equal(
          await this.#sql("SELECT string_agg(v, ',') FROM public.secrets", () => {}),
          `of ${model.user}`,
        );
        return;
      case 10:
        if (model.inTransaction || random.below(6) > 0) return await this.#look();
        await this.#sql("DISCARD ALL", () => model.discardAll());
        return;
      case 11:
        // Not inside a transaction: there application_name would be the pool's until the transaction's end.
        if (model.inTransaction || random.below(3) > 0) return await this.#look();
        await this.#sql("RESET ALL", () => model.resetAll());
        return;
      case 12:
        if (model.inTransaction) return await this.#look();
        return await this.#fail();
      case 13:
        assert.equal(await this.#sql("SELECT v FROM here", () => {}), model.schema);
        return;
      default:
        await this.#look();
    }
  }

  async #unpin(): Promise<void> {
    const model = this.#model;
    if (model.locks > 0) await this.#sql("SELECT pg_advisory_unlock_all()", () => model.locks = 0);
    else await this.#sql("RESET ROLE; DROP TABLE pg_temp.own", () => model.dropTable());
  }

  /** A query whose SET is taken back by the error behind it. */
  async #fail(): Promise<void> {
    this.#done.push("(a failing query)");
    const messages = await this.#client.query("SET work_mem = '99MB'; SET ROLE blue; SELECT 1/0");
    assert.equal(errorOf(messages)?.["C"], "22012");
  }

  /** By SQL and by protocol: one namespace. */
  async #prepare(): Promise<void> {
    const { statements } = this.#model;
    const name = `s${this.#random.below(4)}`;
    const known = statements.has(name);
    const value = `${this.#id}-${name}-${this.steps}`;
    // Inside a transaction a name that SQL deallocated is free for Parse only at the transaction's end.
    if (known && this.#model.inTransaction) return await this.#look();
    if (this.#random.below(2) === 0) {
      if (known) await this.#sql(`DEALLOCATE ${name}`, () => statements.delete(name));
      else await this.#sql(`PREPARE ${name} AS SELECT '${value}'`, () => statements.set(name, value));
      return;
    }
    this.#done.push(known ? `Close ${name}` : `Parse ${name} ${value}`);
    await this.#client.send(known ? close("S", name) : parse(`SELECT '${value}'`, { name }), sync());
    assert.equal(errorOf(await this.#client.readUntil("Z")), null);
    if (known) statements.delete(name);
    else statements.set(name, value);
  }

  async #execute(): Promise<void> {
    const model = this.#model;
    const name = `s${this.#random.below(4)}`;
    const value = model.statements.get(name);
    // An error would end the transaction.
    if (value === undefined && model.inTransaction) return await this.#look();
    const bySql = this.#random.below(2) === 0;
    this.#done.push(bySql ? `EXECUTE ${name}` : `Bind ${name}`);
    if (bySql) await this.#client.send(frontend.query(`EXECUTE ${name}`));
    else await this.#client.send(bind({ statement: name }), execute(), sync());
    const messages = await this.#client.readUntil("Z");
    if (value === undefined) assert.equal(errorOf(messages)?.["C"], "26000");
    else {
      assert.equal(errorOf(messages)?.["M"], undefined);
      assert.equal(rowsOf(messages)[0]?.[0], value);
    }
  }

  async #table(): Promise<void> {
    const model = this.#model;
    const v = this.steps;
    if (model.table === null) {
      await this.#sql(
        `RESET ROLE; CREATE TEMP TABLE own AS SELECT ${v} AS v; GRANT ALL ON pg_temp.own TO PUBLIC`,
        () => model.makeTable(v),
      );
      return;
    }
    if (this.#random.below(2) === 0) {
      const rows = model.table;
      await this.#sql(`INSERT INTO pg_temp.own VALUES (${v})`, () => model.table = [...rows, v]);
    }
    assert.equal(
      await this.#sql("SELECT string_agg(v::text, ',' ORDER BY v) FROM pg_temp.own", () => {}),
      model.table.join(","),
    );
  }
}

Deno.test(`${SESSIONS} sessions over four connections each see their own state and nobody else's`, async () => {
  console.log(`PGPLEX_TEST_SEED=${SEED}`);
  const random = randomFrom(SEED);
  const clients: WireClient[] = [];
  const walkers: Walker[] = [];
  for (let id = 1; id <= SESSIONS; id++) {
    const name = `client ${id}`;
    const given = random.below(10) === 0 ? "s2" : null;
    const params = {
      application_name: name,
      ...(given === null ? {} : { options: `-c search_path=${given}` }),
    };
    const client = await served.client("four", params, "app");
    clients.push(client);
    const model = new SessionModel(id, { applicationName: name, searchPath: given });
    walkers.push(new Walker(id, client, model, randomFrom(random.next())));
  }
  const endMs = performance.now() + SECONDS * 1000;
  let broken = false;
  const results = await Promise.allSettled(
    walkers.map((walker) =>
      walker.walk(() => broken || performance.now() > endMs).catch((thrown) => {
        broken = true;
        throw thrown;
      })
    ),
  );
  for (const client of clients) await client[Symbol.asyncDispose]();
  console.log(`${walkers.reduce((sum, { steps }) => sum + steps, 0)} statements`);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
});
