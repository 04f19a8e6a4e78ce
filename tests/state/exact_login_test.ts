import assert from "node:assert/strict";
import { comparableLines } from "../harness/compared.ts";
import { frontend, waitFor, WireClient, type WireMessage } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, copyData, execute, parse, query, sync, terminate } = frontend;

/** What a server says when a session begins, and what it says when it ends one. */
const served = new Served({
  major: 18,
  settings: { max_connections: "100" },
  setup: `CREATE TABLE t (v text); CREATE ROLE gone; CREATE ROLE app LOGIN; GRANT gone TO app;
    ALTER ROLE app SET role = 'gone'; REVOKE gone FROM app; DROP ROLE gone;
    CREATE ROLE plain LOGIN`,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    many: { default_pool_size: 10 },
    session: { default_pool_size: 10, pool_mode: "session" },
    collated_one: { default_pool_size: 1, database: "collated" },
    collated_two: { default_pool_size: 2, database: "collated" },
    collated_session: { default_pool_size: 2, pool_mode: "session", database: "collated" },
  },
});

Deno.test.beforeAll(async () => {
  await served.node.sql("CREATE DATABASE collated");
  await served.node.sql("UPDATE pg_database SET datcollversion = '1' WHERE datname = 'collated'");
});

interface Login {
  readonly name: string;
  readonly user?: string;
  readonly database?: string;
  readonly params?: Record<string, string>;
  readonly says: RegExp;
}

const LOGINS: readonly Login[] = [
  {
    name: "an application_name of 64 bytes",
    params: { application_name: "a".repeat(64) },
    says: /NOTICE\|42622/,
  },
  {
    name: "an application_name of 300 bytes",
    params: { application_name: "b".repeat(300) },
    says: /NOTICE\|42622/,
  },
  {
    name: "an application_name of 64 bytes among the options",
    params: { options: `-c application_name=${"c".repeat(64)}` },
    says: /NOTICE\|42622/,
  },
  { name: "a version of the collation that is another", database: "collated", says: /WARNING/ },
  {
    name: "a version of the collation that is another, and a name that is long",
    database: "collated",
    params: { application_name: "d".repeat(70) },
    says: /WARNING[^]*NOTICE|NOTICE[^]*WARNING/,
  },
  { name: "a setting of the role that is wrong", user: "app", says: /WARNING|NOTICE/ },
];

/** Notices of a login, with the settings that are reported and come between. */
async function notices(
  target: { host?: string; port: number },
  database: string,
  { user = "plain", params = {} }: Login,
): Promise<string[]> {
  await using client = await WireClient.open(target);
  const messages = await client.login({ user, database, params });
  await client.close();
  return comparableLines(messages.filter(({ type }) => type === "N"));
}

for (const login of LOGINS) {
  for (const mode of ["one", "two", "session"]) {
    Deno.test(`A login with ${login.name} is told what the server says of it, in a pool of ${mode}`, async () => {
      const { database = "postgres" } = login;
      const expected = await notices(served.node, database, login);
      assert.match(expected.join("\n"), login.says);
      const alias = database === "postgres" ? mode : `${database}_${mode}`;
      for (let i = 0; i < 4; i++) {
        assert.deepEqual(await notices(served.pgplex, alias, login), expected, `login ${i}`);
        assert.deepEqual(
          await notices(served.pgplex, alias, { name: "", says: /x/ }),
          await notices(served.node, database, { name: "", says: /x/ }),
          `another's login ${i}`,
        );
      }
    });
  }
}

/** What a client does while its server connection is ended. */
interface Busy {
  readonly name: string;
  /** Returns the backend's pid, unless its statement shows it. */
  readonly begin: (client: WireClient, mark: string) => Promise<string | null | void>;
  /** What it sends to hear of it. */
  readonly asks?: Uint8Array;
  /** What it hears of pgplex; a client of the server itself hears 57P01. */
  readonly hears: string;
  /** The same where its statement went to the server before anybody knew. */
  readonly late?: string;
}

const BUSY: readonly Busy[] = [
  {
    name: "a simple query runs",
    begin: (client, mark) => client.send(query(`SELECT pg_sleep(60) /* ${mark} */`)),
    hears: "40003",
  },
  {
    name: "a query of the extended protocol runs",
    begin: (client, mark) =>
      client.send(parse(`SELECT pg_sleep(60) /* ${mark} */`), bind(), execute(), sync()),
    hears: "40003",
  },
  {
    name: "one of several pipelined queries runs",
    begin: (client, mark) =>
      client.send(
        ...[0, 1, 2].flatMap(() => [
          parse(`SELECT pg_sleep(60) /* ${mark} */`),
          bind(),
          execute(),
          sync(),
        ]),
      ),
    hears: "40003",
  },
  {
    name: "it is idle in a transaction, and speaks again",
    begin: async (client, mark) => void await client.query(`BEGIN; SELECT 1 /* ${mark} */`),
    asks: query("SELECT 2"),
    hears: "40001",
  },
  {
    name: "it is pinned",
    begin: async (client) => {
      await client.query("CREATE TEMP TABLE mine (v int)");
      return await one(client, "SELECT pg_backend_pid()");
    },
    asks: query("SELECT 2"),
    hears: "57P01",
    late: "40003",
  },
];

/** What the client hears of the end of its server connection. */
async function endedBy(connect: () => Promise<WireClient>, busy: Busy, mark: string): Promise<string> {
  await using client = await connect();
  const pid = await busy.begin(client, mark);
  const which = pid ? `pid = ${pid}` : `strpos(query, '${mark}') > 0 AND pid <> pg_backend_pid()`;
  await waitFor(
    () => served.value(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${which}`),
    { what: `the statement of ${mark} to be there`, everyMs: 5 },
  );
  if (busy.asks !== undefined) await client.send(busy.asks).catch(() => {});
  const heard: WireMessage[] = [];
  while (!heard.some(({ type }) => type === "E")) heard.push(await client.read("an error"));
  return heard.at(-1)!.fields!["C"]!;
}

const TIMES = 120;
let mark = 0;

for (const busy of BUSY) {
  for (const alias of ["direct", "many", "session"]) {
    const where = alias === "direct" ? "directly" : `in a pool of ${alias}`;
    Deno.test(`A client is told each time its server connection is ended while ${busy.name}, ${where}`, async () => {
      const connect = () =>
        alias === "direct" ? WireClient.connect(served.node, { user: "postgres" }) : served.client(alias);
      const heard: Record<string, number> = {};
      const times = alias === "direct" ? 8 : TIMES;
      for (let i = 0; i < times; i += 4) {
        const codes = Array.from({ length: 4 }, () => endedBy(connect, busy, `m${++mark}m`));
        for (const code of await Promise.all(codes)) {
          const told = code === busy.late ? busy.hears : code;
          heard[told] = (heard[told] ?? 0) + 1;
        }
      }
      const hears = alias === "direct" ? "57P01" : busy.hears;
      assert.deepEqual(heard, { [hears]: times });
    });
  }
}

for (const alias of ["direct", "one", "session"]) {
  Deno.test(`Who leaves in the middle of COPY is told so, ${alias === "direct" ? "directly" : `in a pool of ${alias}`}`, async () => {
    await using client = alias === "direct" ? await served.direct() : await served.client(alias);
    await client.send(query("COPY t FROM STDIN"));
    await client.readUntil("G");
    await client.send(copyData("a\n"), terminate());
    const [error] = await client.closed();
    assert.equal(error?.fields?.["C"], "08P01");
    assert.match(error?.fields?.["M"] ?? "", /unexpected message type 0x58 during COPY from stdin/);
    await using other = await served.client("one");
    assert.equal(await one(other, "SELECT count(*) FROM t"), "0");
  });
}
