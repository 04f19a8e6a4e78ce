import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  rowsOf,
  tagsOf,
  typesOf,
  type WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { Intruders, Served } from "../harness/served.ts";

const { bind, close, describe, execute, parse, sync } = frontend;

const served = new Served({
  setup: "CREATE SCHEMA s2",
  pools: {
    two: { default_pool_size: 2 },
    evicting: { default_pool_size: 2, max_prepared_statements: 0 },
  },
});

const int4 = frontend.int32;
const int8 = (value: number) => frontend.concat([frontend.int32(0), frontend.int32(value)]);

/** Runs SQL beside all clients. */
async function ddl(sql: string): Promise<void> {
  await served.node.sql(sql);
}

async function batch(client: WireClient, ...parts: Uint8Array[]): Promise<WireMessage[]> {
  await client.send(...parts, sync());
  return await client.readUntil("Z");
}

/** What a batch brought, as two servers say it alike. */
function lineOf(messages: WireMessage[]): string {
  const error = errorOf(messages);
  const types = messages.filter(({ types }) => types !== undefined).map(({ types }) => `(${types})`);
  return [
    typesOf(messages),
    messages.at(-1)!.status,
    ...types,
    ...(error === null ? [] : [`${error["S"]} ${error["C"]} ${error["M"]} ${error["R"]}`]),
    ...tagsOf(messages),
    JSON.stringify(rowsOf(messages)),
  ].join(" ");
}

/** Clients of one target, and what all of them heard. */
class Play {
  readonly heard: string[] = [];
  readonly #clients: readonly WireClient[];
  /** The next lease brings another server connection. */
  readonly move: () => Promise<void>;

  constructor(clients: readonly WireClient[], move: () => Promise<void>) {
    this.#clients = clients;
    this.move = move;
  }

  /** A client sends a batch. */
  async says(client: number, ...parts: Uint8Array[]): Promise<void> {
    this.heard.push(lineOf(await batch(this.#clients[client]!, ...parts)));
  }

  async queries(client: number, sql: string): Promise<void> {
    this.heard.push(lineOf(await this.#clients[client]!.query(sql)));
  }
}

/** What `script` hears must be the same on a server itself and through pgplex; returned is what it heard. */
async function sameAsDirect(
  before: string,
  script: (play: Play) => Promise<void>,
  alias = "two",
): Promise<string[]> {
  await using a = await served.direct();
  await using b = await served.direct();
  const direct = new Play([a, b], async () => {});
  await ddl(before);
  await script(direct);
  await using c = await served.client(alias);
  await using d = await served.client(alias);
  await using intruders = await Intruders.start(served, alias);
  const proxied = new Play([c, d], () => intruders.swap());
  await ddl(before);
  await script(proxied);
  assert.deepEqual(proxied.heard, direct.heard);
  return direct.heard;
}

for (const alias of ["two", "evicting"]) {
  Deno.test(`A described statement keeps its types of parameters where it is made anew (${alias})`, async () => {
    const heard = await sameAsDirect(
      "DROP TABLE IF EXISTS p; CREATE TABLE p (i int)",
      async (play) => {
        const insert = [bind({ statement: "i", values: [int4(65)], formats: [1] }), execute()];
        await play.move();
        await play.says(0, parse("INSERT INTO p VALUES ($1)", { name: "i" }), describe("S", "i"));
        await play.says(0, ...insert);
        await ddl("ALTER TABLE p ALTER i TYPE real");
        for (let round = 0; round < 3; round++) {
          await play.move();
          await play.says(0, ...insert);
        }
        await play.queries(0, "SELECT i FROM p");
      },
      alias,
    );
    assert.match(heard.at(-1)!, /\[\["65"\],\["65"\],\["65"\],\["65"\]\]$/);
  });
}

Deno.test("Clients that were told different types of parameters share no statement", async () => {
  await sameAsDirect("DROP TABLE IF EXISTS p; CREATE TABLE p (i int)", async (play) => {
    const sql = "INSERT INTO p VALUES ($1)";
    const narrow = [bind({ statement: "i", values: [int4(4)], formats: [1] }), execute()];
    const wide = [bind({ statement: "i", values: [int8(8)], formats: [1] }), execute()];
    await play.move();
    await play.says(0, parse(sql, { name: "i" }), describe("S", "i"));
    await play.says(0, ...narrow);
    await ddl("ALTER TABLE p ALTER i TYPE bigint");
    await play.move();
    await play.says(1, parse(sql, { name: "i" }), describe("S", "i"));
    for (let round = 0; round < 4; round++) {
      await play.says(1, ...wide);
      await play.says(0, ...narrow);
      await play.move();
      await play.says(1, ...wide);
      await play.says(0, ...narrow);
    }
    await play.queries(0, "SELECT i, count(*) FROM p GROUP BY 1 ORDER BY 1");
  });
});

for (
  const change of ["ALTER i TYPE real", "ADD j text DEFAULT 'x'", "RENAME i TO k", "ALTER i TYPE bigint"]
) {
  Deno.test(`A described statement that would return something else fails until it is parsed anew: ${change}`, async () => {
    const heard = await sameAsDirect(
      "DROP TABLE IF EXISTS r; CREATE TABLE r (i int); INSERT INTO r VALUES (65)",
      async (play) => {
        const select = [bind({ statement: "s", resultFormats: [1] }), execute()];
        const make = [parse("SELECT * FROM r", { name: "s" }), describe("S", "s")];
        await play.move();
        for (const client of [0, 1]) await play.says(client, ...make);
        for (const client of [0, 1]) await play.says(client, ...select);
        await ddl(`ALTER TABLE r ${change}`);
        for (let round = 0; round < 3; round++) {
          for (const client of [0, 1]) await play.says(client, ...select);
          await play.move();
        }
        await play.queries(0, "BEGIN");
        await play.says(0, ...select, parse("INSERT INTO r VALUES (1)"), bind(), execute());
        await play.queries(0, "SELECT 1");
        await play.queries(0, "ROLLBACK");
        await play.says(0, close("S", "s"), ...make);
        for (let round = 0; round < 2; round++) {
          await play.says(0, ...select);
          await play.says(1, ...select);
          await play.move();
        }
      },
    );
    assert.ok(
      heard.some((line) => line.includes("0A000 cached plan must not change result type Revalidate")),
    );
  });
}

Deno.test("A described FETCH returns what its cursor has, as servers do not compare that", async () => {
  await sameAsDirect("DROP TABLE IF EXISTS r", async (play) => {
    await play.move();
    await play.queries(0, "BEGIN; DECLARE c CURSOR FOR SELECT 1 AS a");
    await play.says(0, parse("/* next */ FETCH c", { name: "f" }), describe("S", "f"));
    await play.says(0, bind({ statement: "f" }), execute());
    await play.queries(0, "COMMIT");
    for (const columns of ["1 AS a", "2 AS b, 3 AS c"]) {
      await play.move();
      await play.queries(0, `BEGIN; DECLARE c CURSOR FOR SELECT ${columns}`);
      await play.says(0, bind({ statement: "f" }), execute());
      await play.queries(0, "COMMIT");
    }
    await play.move();
    await play.says(0, bind({ statement: "f" }), execute());
  });
});

for (const alias of ["two", "evicting"]) {
  Deno.test(`A described statement works on all connections while its tables stay as they are (${alias})`, async () => {
    await sameAsDirect(
      "DROP TABLE IF EXISTS r; CREATE TABLE r (i int); INSERT INTO r VALUES (65)",
      async (play) => {
        await play.move();
        await play.says(0, parse("SELECT i, $1 FROM r", { name: "s" }), describe("S", "s"));
        for (let round = 0; round < 4; round++) {
          const select = [bind({ statement: "s", values: ["x"] }), execute()];
          // In one batch, and in several at once.
          await play.says(0, ...select, ...select, describe("S", "s"), parse("SELECT 1"), bind(), execute());
          await play.move();
          await play.says(0, parse("SELECT 1/0"), bind(), execute(), ...select);
          await play.says(0, describe("S", "s"));
          await play.move();
        }
      },
      alias,
    );
  });
}

Deno.test("Another search_path changes what a described statement may return, not its types of parameters", async () => {
  const before =
    "DROP TABLE IF EXISTS public.d, s2.d; CREATE TABLE public.d (i int); CREATE TABLE s2.d (i real); " +
    "INSERT INTO public.d VALUES (65); INSERT INTO s2.d VALUES (65)";
  await sameAsDirect(before, async (play) => {
    const select = [bind({ statement: "s" }), execute()];
    await play.move();
    await play.says(0, parse("SELECT * FROM d", { name: "s" }), describe("S", "s"));
    await play.says(0, parse("INSERT INTO d VALUES ($1)", { name: "i" }), describe("S", "i"));
    await play.says(0, ...select);
    await play.queries(0, "SET search_path = s2");
    for (let round = 0; round < 3; round++) {
      await play.says(0, ...select);
      await play.says(0, bind({ statement: "i", values: [int4(66)], formats: [1] }), execute());
      await play.move();
    }
    await play.queries(0, "SELECT * FROM d");
    await play.queries(0, "SET search_path = public");
    await play.says(0, ...select);
  });
});

Deno.test("What a client knows by a portal's description fails as well, unless it asks each time", async () => {
  await using client = await served.client("two");
  await using intruders = await Intruders.start(served, "two");
  await intruders.swap();
  await ddl("DROP TABLE IF EXISTS r; CREATE TABLE r (i int); INSERT INTO r VALUES (65)");
  const asks = [bind({ statement: "s", portal: "c" }), describe("P", "c"), execute({ portal: "c" })];
  const relies = [bind({ statement: "s", portal: "c" }), execute({ portal: "c" })];
  await batch(client, parse("SELECT * FROM r", { name: "s" }), ...asks);
  await ddl("ALTER TABLE r ALTER i TYPE real");
  await intruders.swap();
  for (let round = 0; round < 2; round++) {
    assert.equal(errorOf(await batch(client, ...relies))!["R"], "RevalidateCachedQuery");
  }
  assert.equal(typesOf(await batch(client, ...asks)), "2TDCZ");
  assert.equal(typesOf(await batch(client, ...relies)), "2DCZ");
});
