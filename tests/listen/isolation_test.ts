import assert from "node:assert/strict";
import { errorOf, frontend, rowsOf, type WireClient } from "../harness/mod.ts";
import { ChannelsModel, Notifications } from "../harness/isolation_channels.ts";
import { type Random, randomFrom, SessionModel } from "../harness/isolation_model.ts";
import { Served } from "../harness/served.ts";

const SESSIONS = Number(Deno.env.get("PGPLEX_ISOLATION_SESSIONS") ?? 150);
const SECONDS = Number(Deno.env.get("PGPLEX_ISOLATION_SECONDS") ?? 12);
const SEED = Number(Deno.env.get("PGPLEX_TEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!);

/** Every fourth session listens, all of them notify. */
const LISTENERS = 4;
const CHANNELS = 3;

/** What was sent before must have come by then. */
const NOTIFIED_MS = 20_000;

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
    CREATE FUNCTION public.tell(channel text, payload text) RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_notify(channel, payload); END $$;
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
  readonly #channels: ChannelsModel;
  readonly #random: Random;
  readonly #id: number;
  /** The last statements, for the message of a failure. */
  readonly #done: string[] = [];
  steps = 0;

  constructor(
    id: number,
    client: WireClient,
    { model, channels, random }: { model: SessionModel; channels: ChannelsModel; random: Random },
  ) {
    this.#id = id;
    this.#channels = channels;
    this.#client = client;
    this.#model = model;
    this.#random = random;
  }

  /** Goes on until `until`, and then to the end of its transaction and of what pins it. */
  async walk(until: () => boolean): Promise<void> {
    try {
      while (!until()) await this.#step();
      if (this.#model.inTransaction) await this.#rollback();
      await this.#hear();
      await this.#discardAll();
      await this.#look();
    } catch (thrown) {
      throw new Error(
        `session ${this.#id} (PGPLEX_TEST_SEED=${SEED}): ${(thrown as Error).message}\nafter:\n` +
          this.#done.slice(-25).join("\n"),
        { cause: thrown },
      );
    }
  }

  /** Notifications that came. */
  get heard(): number {
    return this.#channels.receivedCount;
  }

  async #sql(sql: string, then: () => void): Promise<string | null> {
    this.steps++;
    this.#done.push(sql === this.#model.question ? "(look)" : sql);
    const messages = await this.#client.query(sql);
    const error = errorOf(messages);
    assert.equal(error, null, `${sql}: ${error?.["C"]} ${error?.["M"]}`);
    this.#channels.take(messages);
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
    switch (random.below(21)) {
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
        if (!model.inTransaction) {
          this.#channels.begin();
          await this.#sql("BEGIN", () => model.begin());
        } else if (random.below(3) === 0) await this.#rollback();
        else await this.#channels.commit(() => this.#sql("COMMIT", () => model.commit()));
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
        return await this.#discardAll();
      case 11:
        if (random.below(3) > 0) return await this.#look();
        await this.#sql("RESET ALL", () => model.resetAll());
        return;
      case 12:
        if (model.inTransaction) return await this.#look();
        return await this.#fail();
      case 13:
        assert.equal(await this.#sql("SELECT v FROM here", () => {}), model.schema);
        return;
      case 14:
        return await this.#listen();
      case 15:
        return await this.#notify();
      default:
        await this.#look();
    }
  }

  async #rollback(): Promise<void> {
    this.#channels.rollback();
    await this.#sql("ROLLBACK", () => this.#model.rollback());
  }

  async #discardAll(): Promise<void> {
    const work = () => this.#sql("DISCARD ALL", () => this.#model.discardAll());
    await this.#channels.unlisten(null, work, true);
  }

  async #listen(): Promise<void> {
    if (this.#id % LISTENERS !== 0) return await this.#look();
    const channel = `c${this.#random.below(CHANNELS)}`;
    const what = this.#random.below(8);
    if (what === 0) await this.#channels.unlisten(null, () => this.#sql("UNLISTEN *", () => {}));
    else if (what < 3) {
      await this.#channels.unlisten(channel, () => this.#sql(`UNLISTEN ${channel}`, () => {}));
    } else await this.#channels.listen(channel, () => this.#sql(`LISTEN ${channel}`, () => {}));
  }

  async #notify(): Promise<void> {
    const channels = this.#channels;
    const channel = `c${this.#random.below(CHANNELS)}`;
    const payload = channels.nextPayload();
    const way = this.#random.below(3);
    const sql = [
      `NOTIFY ${channel}, '${payload}'`,
      `SELECT pg_notify('${channel}', '${payload}')`,
      `SELECT public.tell('${channel}', '${payload}')`,
    ][way]!;
    await channels.notify(channel, payload, () => this.#sql(sql, () => {}));
    // What the text shows comes before the statement's end.
    if (way === 2 || this.#model.inTransaction || !channels.listening.includes(channel)) return;
    assert.ok(!channels.missing.includes(`${channel} ${payload}`), `${payload} came late, or never`);
  }

  /** Waits until everything has come that must. */
  async #hear(): Promise<void> {
    const untilMs = performance.now() + NOTIFIED_MS;
    while (this.#channels.missing.length > 0) {
      assert.ok(performance.now() < untilMs, `notifications are missing: ${this.#channels.missing}`);
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
    this.#channels.take(messages);
    assert.equal(errorOf(messages)?.["C"], "22012");
  }

  /** By SQL and by protocol: one namespace. */
  async #prepare(): Promise<void> {
    const { statements } = this.#model;
    const name = `s${this.#random.below(4)}`;
    const known = statements.has(name);
    const value = `${this.#id}-${name}-${this.steps}`;
    if (this.#random.below(2) === 0) {
      if (known) await this.#sql(`DEALLOCATE ${name}`, () => statements.delete(name));
      else await this.#sql(`PREPARE ${name} AS SELECT '${value}'`, () => statements.set(name, value));
      return;
    }
    this.#done.push(known ? `Close ${name}` : `Parse ${name} ${value}`);
    await this.#client.send(known ? close("S", name) : parse(`SELECT '${value}'`, { name }), sync());
    const messages = await this.#client.readUntil("Z");
    this.#channels.take(messages);
    assert.equal(errorOf(messages), null);
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
    this.#channels.take(messages);
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
  const notifications = new Notifications();
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
    const channels = new ChannelsModel(notifications, id);
    walkers.push(new Walker(id, client, { model, channels, random: randomFrom(random.next()) }));
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
  const sum = (count: (walker: Walker) => number) =>
    walkers.reduce((total, walker) => total + count(walker), 0);
  console.log(
    `${sum(({ steps }) => steps)} statements, ${notifications.sent.length} notifications, ` +
      `which came ${sum(({ heard }) => heard)} times`,
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
});
