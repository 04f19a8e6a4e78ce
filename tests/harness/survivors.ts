import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  type PgplexProcess,
  type PostgresNode,
  rowsOf,
  tagsOf,
  typesOf,
  waitFor,
  WireClient,
  type WireMessage,
} from "./mod.ts";
import { shown } from "./console_shown.ts";

const { bind, copyData, copyDone, execute, extendedQuery, flush, parse, query, sync } = frontend;

/** Runs once as the superuser, before any of {@link SURVIVORS} begins. */
export const SURVIVORS_SETUP = `
  CREATE ROLE other_role;
  CREATE TABLE done (mine text);
  GRANT ALL ON done TO public;
  CREATE TABLE slow (v text);
  CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(1000); RETURN NEW; END $$;
  CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
`;

/** A session that is about to lose its server, and what its client must hear. */
export interface Survivor {
  readonly name: string;
  /** In session pooling; in transaction pooling unless said. */
  readonly session?: true;
  /** Whether it holds a server connection when it is ready. */
  readonly holds: boolean;
  /** Brings the session into its state; `mine` is a text that nobody else uses. */
  begin(client: WireClient, mine: string): Promise<void>;
  /** Asserts what the client hears afterwards, while a server can be had. */
  after(client: WireClient, mine: string): Promise<void>;
}

/** Types, SQLSTATEs and tags of replies, in short. */
export function told(messages: readonly WireMessage[]): string {
  return messages.flatMap(({ type, fields, tag, status }) => {
    if (type === "N" || type === "S" || type === "A") return [];
    if (type === "E") return [`${fields!["S"]} ${fields!["C"]}`];
    return [type === "C" ? tag! : type === "Z" ? `Z${status}` : type];
  }).join(" ");
}

const ask = async (client: WireClient, sql: string) => told(await client.query(sql));
const asked = async (client: WireClient, sql: string) => told(await client.extended(sql));
const hears = async (client: WireClient) => told(await client.readUntil("Z"));

/** It goes on as if nothing had been. */
async function works(client: WireClient): Promise<void> {
  assert.equal(await ask(client, "SELECT 1"), "T D SELECT 1 ZI");
  assert.equal(await asked(client, "SELECT 1"), "1 2 T D SELECT 1 ZI");
  assert.equal(await ask(client, "BEGIN; SELECT 1; COMMIT"), "BEGIN T D SELECT 1 COMMIT ZI");
}

/** In an aborted transaction, which it ends. */
async function aborted(client: WireClient, end = "ROLLBACK"): Promise<void> {
  assert.equal(await ask(client, "SELECT 1"), "ERROR 25P02 ZE");
  assert.equal(await asked(client, "SELECT 1"), "ERROR 25P02 ZE");
  assert.equal(await ask(client, end), "ROLLBACK ZI");
  await works(client);
}

async function isUndone(client: WireClient, mine: string): Promise<void> {
  assert.deepEqual(rowsOf(await client.query(`SELECT mine FROM done WHERE mine = '${mine}'`)), []);
}

/** What was lost is told once, with its name. */
async function toldOnce(client: WireClient, what: RegExp): Promise<void> {
  const messages = await client.query("SELECT 1");
  assert.match(told(messages), /^ERROR (57P0[123]|08006) ZI$/);
  assert.match(errorOf(messages)!["D"]!, what);
  await works(client);
}

const insert = (mine: string) => `INSERT INTO done VALUES ('${mine}')`;

/** Each of the ways in which a session can lose its server, but for those whose answer depends on time. */
export const SURVIVORS: readonly Survivor[] = [
  {
    name: "idle, with settings, a role and prepared statements",
    holds: false,
    async begin(client, mine) {
      await client.query(`SET "my.name" = '${mine}'; SET TimeZone = 'Asia/Tokyo'; SET work_mem = '123kB'`);
      await client.query("SET ROLE other_role");
      await client.query("PREPARE bysql AS SELECT 7");
      await client.send(parse("SELECT $1::text || current_user", { name: "mine" }), sync());
      assert.equal(await hears(client), "1 ZI");
    },
    async after(client, mine) {
      await client.send(bind({ statement: "mine", values: ["I am "] }), execute(), sync());
      const messages = await client.readUntil("Z");
      assert.deepEqual([told(messages), rowsOf(messages)], ["2 D SELECT 1 ZI", [["I am other_role"]]]);
      assert.deepEqual(rowsOf(await client.query("EXECUTE bysql")), [["7"]]);
      const sql =
        "SELECT current_setting('my.name'), current_setting('TimeZone'), current_setting('work_mem')";
      assert.deepEqual(rowsOf(await client.query(sql)), [[mine, "Asia/Tokyo", "123kB"]]);
      assert.equal(client.parameters.get("TimeZone"), "Asia/Tokyo");
      await works(client);
    },
  },
  {
    name: "in a transaction",
    holds: true,
    async begin(client, mine) {
      assert.equal(await ask(client, `BEGIN; ${insert(mine)}`), "BEGIN INSERT 0 1 ZT");
    },
    async after(client, mine) {
      assert.equal(await ask(client, "SELECT 1"), "ERROR 40001 ZE");
      await aborted(client);
      await isUndone(client, mine);
    },
  },
  {
    name: "in a transaction, extended protocol, settings inside",
    holds: true,
    async begin(client, mine) {
      await client.extended("BEGIN");
      await client.extended("SET application_name = 'inside'");
      assert.equal(await asked(client, insert(mine)), "1 2 n INSERT 0 1 ZT");
    },
    async after(client, mine) {
      assert.equal(await asked(client, "SELECT 1"), "ERROR 40001 ZE");
      assert.equal(client.parameters.get("application_name"), "");
      await client.send(extendedQuery("SELECT 1"), extendedQuery("ROLLBACK"));
      assert.equal(await hears(client), "ERROR 25P02 ZE");
      assert.equal(await hears(client), "1 2 n ROLLBACK ZI");
      assert.deepEqual(rowsOf(await client.query("SHOW application_name")), [[""]]);
      await isUndone(client, mine);
      await works(client);
    },
  },
  {
    name: "in a transaction that its client commits",
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; ${insert(mine)}`);
    },
    async after(client, mine) {
      assert.equal(await ask(client, "COMMIT"), "ERROR 40001 ZI");
      await isUndone(client, mine);
      await works(client);
    },
  },
  {
    name: "in a transaction that has failed",
    holds: true,
    async begin(client) {
      assert.equal(await ask(client, "BEGIN; SELECT 1 / 0"), "BEGIN ERROR 22012 ZE");
    },
    after: (client) => aborted(client, "COMMIT"),
  },
  {
    name: "in a transaction with a cursor and a savepoint",
    holds: true,
    async begin(client) {
      await client.query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 10); SAVEPOINT s; FETCH c");
    },
    async after(client) {
      assert.equal(await ask(client, "FETCH c"), "ERROR 40001 ZE");
      assert.equal(await ask(client, "ROLLBACK TO s"), "ERROR 3B001 ZE");
      await aborted(client);
    },
  },
  {
    name: "running a statement",
    holds: true,
    begin: (client) => client.send(query("SELECT pg_sleep(1000)")),
    async after(client) {
      assert.match(await hears(client), /^(T )?ERROR 40003 ZI$/);
      await works(client);
    },
  },
  {
    name: "running a statement, extended protocol",
    holds: true,
    begin: (client) => client.send(extendedQuery("SELECT pg_sleep(1000)")),
    async after(client) {
      assert.match(await hears(client), /^(1 2 T )?ERROR 40003 ZI$/);
      await works(client);
    },
  },
  {
    name: "running a statement in a transaction",
    holds: true,
    async begin(client) {
      await client.query("BEGIN");
      await client.send(query("SELECT pg_sleep(1000)"));
    },
    async after(client) {
      assert.match(await hears(client), /^(T )?ERROR 40001 ZE$/);
      await aborted(client);
    },
  },
  {
    name: "committing",
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; INSERT INTO slow VALUES ('${mine}')`);
      await client.send(query("COMMIT"));
    },
    async after(client) {
      assert.equal(await hears(client), "ERROR 08007 ZI");
      await works(client);
    },
  },
  {
    name: "committing, extended protocol",
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; INSERT INTO slow VALUES ('${mine}')`);
      await client.send(extendedQuery("COMMIT"));
    },
    async after(client) {
      assert.match(await hears(client), /^(1 2 n )?ERROR 08007 ZI$/);
      await works(client);
    },
  },
  {
    name: "in the middle of a pipeline",
    holds: true,
    begin: (client, mine) =>
      client.send(
        extendedQuery("BEGIN"),
        extendedQuery(insert(mine)),
        extendedQuery("SELECT pg_sleep(1000)"),
        extendedQuery("SELECT 2"),
      ),
    async after(client, mine) {
      assert.equal(await hears(client), "1 2 n BEGIN ZT");
      assert.equal(await hears(client), "1 2 n INSERT 0 1 ZT");
      assert.match(await hears(client), /^(1 2 T )?ERROR 40001 ZE$/);
      assert.equal(await hears(client), "ERROR 25P02 ZE");
      await aborted(client);
      await isUndone(client, mine);
    },
  },
  {
    name: "in the middle of a pipeline with its COMMIT",
    holds: true,
    begin: (client, mine) =>
      client.send(
        extendedQuery("BEGIN"),
        extendedQuery(insert(mine)),
        extendedQuery("SELECT pg_sleep(1000)"),
        extendedQuery("COMMIT"),
      ),
    async after(client, mine) {
      assert.equal(await hears(client), "1 2 n BEGIN ZT");
      assert.equal(await hears(client), "1 2 n INSERT 0 1 ZT");
      assert.match(await hears(client), /^(1 2 T )?ERROR 08007 ZI$/);
      assert.equal(await hears(client), "ERROR 08007 ZI");
      await isUndone(client, mine);
      await works(client);
    },
  },
  {
    name: "in a batch without its Sync",
    holds: true,
    async begin(client) {
      await client.send(parse("SELECT pg_sleep(1000)"), bind(), flush());
      assert.equal(typesOf(await client.readUntil("2")), "12");
      await client.send(execute(), flush());
    },
    async after(client) {
      assert.equal(told(await client.readUntil("E")), "ERROR 40003");
      await client.send(parse("SELECT 1"), bind(), execute(), sync());
      assert.equal(await hears(client), "ZI");
      await works(client);
    },
  },
  {
    name: "with a half sent statement",
    holds: true,
    begin: (client) => client.send(query(`SELECT '${"x".repeat(200_000)}'`).subarray(0, 150_000)),
    async after(client) {
      assert.equal(await hears(client), "ERROR 40001 ZI");
      await client.send(query(`SELECT '${"x".repeat(200_000)}'`).subarray(150_000));
      await works(client);
    },
  },
  {
    name: "in COPY FROM STDIN",
    holds: true,
    async begin(client, mine) {
      await client.send(query("COPY done FROM STDIN"));
      assert.equal(typesOf(await client.readUntil("G")), "G");
      await client.send(copyData(`${mine}\\n`));
    },
    async after(client, mine) {
      await client.send(copyData(`${mine}\\n`));
      assert.equal(await hears(client), "ERROR 40003 ZI");
      await client.send(copyData(`${mine}\\n`), copyDone());
      await isUndone(client, mine);
      await works(client);
    },
  },
  {
    name: "in COPY FROM STDIN inside a transaction",
    holds: true,
    async begin(client, mine) {
      await client.query("BEGIN");
      await client.send(query("COPY done FROM STDIN"));
      await client.readUntil("G");
      await client.send(copyData(`${mine}\\n`));
    },
    async after(client, mine) {
      assert.equal(await hears(client), "ERROR 40001 ZE");
      await client.send(copyDone());
      await aborted(client);
      await isUndone(client, mine);
    },
  },
  ...["COPY (ROWS) TO STDOUT", "ROWS"].map((form): Survivor => ({
    name: `in the middle of rows: ${form}`,
    holds: true,
    async begin(client) {
      const rows = "SELECT repeat('x', 100) FROM generate_series(1, 200)";
      const sql = `${rows} UNION ALL SELECT pg_sleep(1000)::text`;
      await client.send(query(form.replace("ROWS", sql)));
      await client.readUntil("dD");
    },
    async after(client) {
      // A server sends what fits into 8 kB: where nothing came behind that, a row is cut.
      const messages = await client.readUntil("Z").catch(() => null);
      if (messages === null) return;
      assert.match(told(messages).replace(/^([dD] )+/, ""), /^ERROR 40003 ZI$/);
      await works(client);
    },
  })),
  {
    name: "with a temporary table",
    holds: true,
    async begin(client) {
      await client.query("CREATE TEMP TABLE mine (v int)");
    },
    async after(client) {
      await toldOnce(client, /temporary object/);
      assert.equal(await ask(client, "SELECT * FROM mine"), "ERROR 42P01 ZI");
    },
  },
  {
    name: "with a temporary table, in a transaction that it rolls back at once",
    holds: true,
    async begin(client) {
      await client.query("CREATE TEMP TABLE mine (v int)");
      await client.query("BEGIN; INSERT INTO mine VALUES (1)");
    },
    async after(client) {
      assert.equal(await ask(client, "ROLLBACK"), "ROLLBACK ZI");
      await toldOnce(client, /temporary object|since the session was last at rest/);
    },
  },
  {
    name: "with an advisory lock",
    holds: true,
    async begin(client, mine) {
      await client.query(`SELECT pg_advisory_lock(hashtext('${mine}'))`);
    },
    after: (client) => toldOnce(client, /advisory lock/),
  },
  {
    name: "with an advisory lock that it took in a transaction, which it rolls back at once",
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; SELECT pg_advisory_lock(hashtext('${mine}'))`);
    },
    async after(client) {
      assert.equal(await ask(client, "ROLLBACK"), "ROLLBACK ZI");
      await toldOnce(client, /what outlasts a transaction: locks/);
    },
  },
  {
    name: "with a statement that it prepared in a transaction",
    holds: true,
    async begin(client) {
      await client.query("BEGIN; PREPARE mine AS SELECT 1");
    },
    async after(client) {
      const messages = await client.query("SELECT 1");
      assert.equal(told(messages), "ERROR 40001 ZE");
      assert.match(errorOf(messages)!["D"]!, /Lost with it: what outlasts a transaction/);
      assert.equal(await ask(client, "ROLLBACK"), "ROLLBACK ZI");
      await works(client);
    },
  },
  {
    name: "with a setting of a transaction that it rolls back at once",
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; SET LOCAL work_mem = '1MB'; SET lock_timeout = 7; ${insert(mine)}`);
    },
    async after(client, mine) {
      assert.equal(await ask(client, "ROLLBACK"), "ROLLBACK ZI");
      await works(client);
      await isUndone(client, mine);
    },
  },
  {
    name: "with a cursor that outlives its transaction",
    holds: true,
    async begin(client) {
      await client.query("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT");
    },
    after: (client) => toldOnce(client, /holdable cursor/),
  },
  {
    name: "idle, in session pooling",
    session: true,
    holds: true,
    async begin(client) {
      await client.query("SET TimeZone = 'Asia/Tokyo'");
    },
    async after(client) {
      await toldOnce(client, /settings, prepared statements/);
      assert.deepEqual(rowsOf(await client.query("SHOW TimeZone")), [["Asia/Tokyo"]]);
    },
  },
  {
    name: "idle, in session pooling, where nothing ran",
    session: true,
    holds: true,
    begin: () => Promise.resolve(),
    after: works,
  },
  {
    name: "in a transaction, in session pooling",
    session: true,
    holds: true,
    async begin(client, mine) {
      await client.query(`BEGIN; ${insert(mine)}`);
    },
    async after(client, mine) {
      const messages = await client.query("SELECT 1");
      assert.equal(told(messages), "ERROR 40001 ZE");
      assert.match(errorOf(messages)!["D"]!, /Lost with it: settings, prepared statements/);
      assert.equal(await ask(client, "SELECT 1"), "ERROR 25P02 ZE");
      assert.equal(await ask(client, "ROLLBACK"), "ROLLBACK ZI");
      await works(client);
      await isUndone(client, mine);
    },
  },
  {
    name: "committing, in session pooling, by a prepared statement",
    session: true,
    holds: true,
    async begin(client, mine) {
      await client.send(parse("COMMIT", { name: "c" }), sync());
      await client.readUntil("Z");
      await client.query(`BEGIN; INSERT INTO slow VALUES ('${mine}')`);
      await client.send(bind({ statement: "c" }), execute(), sync());
    },
    async after(client) {
      assert.match(await hears(client), /^(2 )?ERROR 08007 ZI$/);
      await works(client);
    },
  },
  {
    name: "running a statement, in session pooling",
    session: true,
    holds: true,
    begin: (client) => client.send(query("SELECT pg_sleep(1000)")),
    async after(client) {
      const messages = await client.readUntil("Z");
      assert.match(told(messages), /^(T )?ERROR 40003 ZI$/);
      assert.match(errorOf(messages)!["D"]!, /Lost with it: settings/);
      await works(client);
    },
  },
  {
    name: "listening",
    holds: false,
    async begin(client, mine) {
      assert.equal(await ask(client, `LISTEN "${mine}"`), "LISTEN ZI");
    },
    async after(client, mine) {
      await works(client);
      // Its shared listener comes again by itself.
      const [row] = rowsOf(await client.query("SELECT pg_listening_channels()"));
      assert.deepEqual(row, [mine]);
      assert.deepEqual(tagsOf(await client.query(`UNLISTEN "${mine}"`)), ["UNLISTEN"]);
    },
  },
];

/** Ends the server connections of pgplex's clients, or the server, which is there again afterwards. */
export const LOSSES: Record<string, (node: PostgresNode) => Promise<void>> = {
  "each of its connections is terminated": async (node) => {
    await node.sql(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    `);
  },
  "one backend is killed, so that the server restarts": async (node) => {
    const [row] = await node.sql(
      "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' LIMIT 1",
    );
    Deno.kill(row!["pid"], "SIGKILL");
    await waitFor(async () => (await node.log()).includes("all server processes terminated"), {
      what: "the server to restart",
    });
  },
  "the server is stopped fast": (node) => node.restart(),
  "the server is stopped at once": async (node) => {
    await node.stop("immediate");
    await node.start();
  },
  "all of the server's processes are killed": async (node) => {
    await node.kill("SIGKILL");
    await node.start();
  },
};

/** Databases of a configuration that {@link Running} needs; `postgres` is an administrator of its console. */
export const SURVIVOR_POOLS = {
  transaction: { pool_mode: "transaction", default_pool_size: 60, server_login_retry: "50ms" },
  session: { pool_mode: "session", default_pool_size: 30, server_login_retry: "50ms" },
};

/** One of {@link SURVIVORS}, `times` times each, all ready to lose their servers. */
export class Running implements AsyncDisposable {
  readonly #pgplex: PgplexProcess;
  readonly #sessions: {
    readonly survivor: Survivor;
    readonly client: WireClient;
    readonly mine: string;
  }[] = [];

  private constructor(pgplex: PgplexProcess) {
    this.#pgplex = pgplex;
  }

  /** `name` keeps texts of one run apart from those of another. */
  static async begin(
    pgplex: PgplexProcess,
    name: string,
    { survivors = SURVIVORS, times = 1 } = {},
  ): Promise<Running> {
    const running = new Running(pgplex);
    try {
      for (let i = 0; i < times; i++) {
        for (const survivor of survivors) await running.#begin(survivor, name);
      }
      await running.#ready();
      return running;
    } catch (thrown) {
      await running[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #begin(survivor: Survivor, name: string): Promise<void> {
    const database = survivor.session ? "session" : "transaction";
    const client = await WireClient.connect(this.#pgplex, { user: "postgres", database }, {
      deadlineMs: 20_000,
    });
    const mine = `${this.#sessions.length} ${name}`.replaceAll("'", "").slice(0, 60);
    this.#sessions.push({ survivor, client, mine });
    await survivor.begin(client, mine);
  }

  /** Waits until what idle sessions did has been read, and nothing is on its way. */
  async #ready(): Promise<void> {
    const count = (wanted: (survivor: Survivor) => boolean) =>
      this.#sessions.filter(({ survivor }) => wanted(survivor)).length;
    const ready = [
      count(({ holds, session }) => holds && session !== true),
      count(({ holds, session }) => holds && session === true),
      count(({ name }) => name === "listening"),
    ];
    // Seen several times in a row: one that is not looked at yet may stand for one that has not begun.
    let times = 0;
    await waitFor(async () => {
      times = `${await present(this.#pgplex)}` === `${ready}` ? times + 1 : 0;
      return times === 5;
    }, { what: "each to be ready" });
  }

  /** Waits until pgplex has seen each connection end: what is said before that is in flight. */
  async #isLost(): Promise<void> {
    const gone = async () => {
      const [transaction, session] = await present(this.#pgplex);
      return transaction === 0 && session === 0;
    };
    await waitFor(gone, { what: "each connection to be lost", deadlineMs: 20_000 });
  }

  /** Asserts what each client hears now. */
  async after(t: Deno.TestContext): Promise<void> {
    await this.#isLost();
    for (const { survivor, client, mine } of this.#sessions) {
      await t.step(survivor.name, () => survivor.after(client, mine));
    }
  }

  /** The same, of all at once. @throws Error that names the session */
  async check(): Promise<void> {
    await this.#isLost();
    await Promise.all(this.#sessions.map(async ({ survivor, client, mine }) => {
      try {
        await survivor.after(client, mine);
      } catch (thrown) {
        throw new Error(`${survivor.name}: ${(thrown as Error).message}`, { cause: thrown });
      }
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#sessions) await client.close();
  }
}

/** Server connections that sessions of either mode hold, and channels of shared listeners that are there. */
async function present(pgplex: PgplexProcess): Promise<number[]> {
  await using console = await WireClient.connect(pgplex, { user: "postgres", database: "pgplex" });
  const pools = await shown(console, "SHOW POOLS");
  const listened = (await shown(console, "SHOW LISTENERS")).filter(({ pid }) => pid !== null);
  const held = (alias: string) =>
    pools.filter(({ database }) => database === alias)
      .reduce((sum, row) => sum + Number(row["sv_active"]) + Number(row["sv_tested"]), 0);
  return [held("transaction"), held("session"), listened.length];
}
