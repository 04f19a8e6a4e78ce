import assert from "node:assert/strict";
import { frontend, startPgplex, startPostgres, waitFor, WireClient } from "../harness/mod.ts";
import { Bystander, play, type Script, withLengthWord } from "../harness/wire_script.ts";

const { bind, concat, cstring, execute, flush, int32, message, parse, query, sync, terminate, text } =
  frontend;

const login = { user: "postgres", password: "postgres" };
const batch = [parse("SELECT 1"), bind(), execute()];
const copyIn = [query("CREATE TEMP TABLE t (a int)"), "Z", query("COPY t FROM STDIN"), "G"];

/** PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT of PostgreSQL, and who has which. */
const SMALL_MAX = 10_000;
const LARGE_MAX = 0x3fffffff - 1;
const SMALL = [..."EDCSHcfX"];
const LARGE = [..."QPBFd"];

const LENGTHS: Script[] = [
  ...SMALL.map((type) => ({ type, lengths: [0, 3, -1, SMALL_MAX + 1, 0x7fffffff] })),
  ...LARGE.map((type) => ({ type, lengths: [0, 3, -1, LARGE_MAX + 1, 0x7fffffff] })),
].flatMap(({ type, lengths }) =>
  lengths.map((length) => ({
    name: `message ${type} of length ${length}`,
    steps: [withLengthWord(type, length, 20)],
  }))
);

const LONGEST: Script[] = [..."EDCSHcf"].map((type) => ({
  name: `message ${type} of the greatest length`,
  steps: [[withLengthWord(type, SMALL_MAX, SMALL_MAX - 4), sync(), query("SELECT 1")], "Z", "Z"],
  leaves: true,
}));

const TYPES: Script[] = [
  ...[..."zapR\0"].map((type) => ({
    name: `message of unknown type ${JSON.stringify(type)}`,
    steps: [message(type)],
  })),
  { name: "one byte of an unknown type", steps: [text("z")] },
  { name: "a second startup packet", steps: [frontend.startup(login)] },
  { name: "SSLRequest after login", steps: [frontend.sslRequest()] },
  { name: "a request of HTTP", steps: [text("GET / HTTP/1.1\r\n\r\n")] },
];

const BODIES: Script[] = [
  { name: "Query without its NUL", steps: [message("Q", text("SELECT 1")), "Z"] },
  { name: "Query with bytes behind its NUL", steps: [message("Q", cstring("SELECT 1"), cstring("x")), "Z"] },
  { name: "Query without a body", steps: [message("Q"), "Z"] },
  { name: "Sync with a body", steps: [message("S", cstring("abc")), "Z"] },
  { name: "Flush with a body", steps: [[message("H", cstring("abc")), sync()], "Z"] },
  { name: "Parse without its NULs", steps: [[message("P", text("abc")), sync()], "Z"] },
  { name: "Parse without a body", steps: [[message("P"), sync()], "Z"] },
  {
    name: "a named Parse cut short",
    steps: [[message("P", cstring("name"), text("SELECT 1")), sync()], "Z"],
  },
  { name: "Bind without its NULs", steps: [[message("B", text("abc")), sync()], "Z"] },
  { name: "Describe without its NUL", steps: [[message("D", text("Sabc")), sync()], "Z"] },
  { name: "Describe of what there is not", steps: [[message("D", cstring("Zabc")), sync()], "Z"] },
  { name: "Close of what there is not", steps: [[message("C", cstring("Zabc")), sync()], "Z"] },
  { name: "Execute cut short", steps: [[...batch.slice(0, 2), message("E", cstring("")), sync()], "Z"] },
  { name: "FunctionCall cut short", steps: [message("F", int32(1598)), "Z"] },
].map((script) => ({ ...script, leaves: true }));

const PLACES: Script[] = [
  { name: "an unknown type inside a transaction", steps: [query("BEGIN"), "Z", message("z")] },
  { name: "a wrong length inside a transaction", steps: [query("BEGIN"), "Z", withLengthWord("Q", 3)] },
  { name: "a wrong length inside a batch", steps: [[...batch, withLengthWord("E", 3)]] },
  { name: "an unknown type behind a flushed batch", steps: [[...batch, flush()], "C", message("z")] },
  ...[
    { name: "a query", before: [query("SELECT 1")] },
    { name: "a slow query", before: [query("SELECT pg_sleep(0.1)")] },
    { name: "two queries, one of which fails", before: [query("SELECT 1/0"), query("SELECT 1")] },
    { name: "BEGIN", before: [query("BEGIN")] },
    { name: "a batch", before: [...batch, sync()] },
    { name: "a batch without Sync", before: batch },
    { name: "a query and a batch without Sync", before: [query("SELECT 1"), ...batch] },
    { name: "a Sync alone", before: [sync()] },
    { name: "a Close and a Sync", before: [message("C", text("S"), cstring("nothing")), sync()] },
  ].flatMap(({ name, before }) => [
    { name: `an unknown type behind ${name}`, steps: [[...before, message("z")]] },
    { name: `a wrong length behind ${name}`, steps: [[...before, withLengthWord("Q", 3)]] },
  ]),
  {
    name: "an unknown type behind a batch that fails without Sync",
    steps: [[parse("SELECT 1/0"), bind(), execute(), ...batch, message("z")]],
  },
  { name: "Query inside COPY", steps: [...copyIn, query("SELECT 1")] },
  { name: "Terminate at once", steps: [terminate()] },
  { name: "Terminate with a body", steps: [message("X", cstring("abc"))] },
  { name: "Terminate inside a transaction", steps: [query("BEGIN"), "Z", terminate()] },
  { name: "Terminate inside a failed transaction", steps: [query("BEGIN; x"), "Z", terminate()] },
  { name: "Terminate behind a query", steps: [[query("SELECT 1"), terminate()]] },
  { name: "Terminate behind a slow query", steps: [[query("SELECT pg_sleep(0.1)"), terminate()]] },
  { name: "Terminate behind a batch", steps: [[...batch, sync(), terminate()]] },
  { name: "Terminate inside a batch", steps: [[...batch, terminate()]] },
  { name: "Terminate behind a flushed batch", steps: [[...batch, flush()], "C", terminate()] },
  { name: "the end inside a transaction", steps: [query("BEGIN"), "Z"], leaves: true },
  { name: "the end inside a batch", steps: [[...batch, flush()], "C"], leaves: true },
  { name: "the end of an idle client", steps: [], leaves: true },
];

const SCRIPTS = [...LENGTHS, ...LONGEST, ...TYPES, ...BODIES, ...PLACES].map((script) => ({
  ...script,
  login,
}));

Deno.test("pgplex answers wrong messages after login as PostgreSQL does, in both pool modes", async (t) => {
  await using old = await startPostgres({ major: 14 });
  await using young = await startPostgres({ major: 18 });
  const nodes = [{ name: "old", node: old }, { name: "young", node: young }];
  await using pgplex = await startPgplex({
    config: {
      auth: { users: { postgres: "postgres" } },
      routing: {
        databases: Object.fromEntries(nodes.flatMap(({ name }) =>
          ["session", "transaction"].map((mode) => [
            `${mode} ${name}`,
            { cluster: name, database: "postgres", pool_mode: mode },
          ])
        )),
      },
      clusters: Object.fromEntries(nodes.map(({ name, node: { host, port } }) => [
        name,
        { nodes: [{ name, host, port }] },
      ])),
    },
  });
  await using bystander = await Bystander.connect(pgplex, { ...login, database: "transaction old" });
  await using holder = await Bystander.connect(pgplex, { ...login, database: "session old" });

  for (const script of SCRIPTS) {
    await t.step(`${script.name} is answered alike`, async () => {
      await Promise.all(nodes.map(async ({ name, node }) => {
        const [direct, ...through] = await Promise.all([
          play(node, script),
          ...["session", "transaction"].map((mode) =>
            play(pgplex, { ...script, login: { ...login, database: `${mode} ${name}` } })
          ),
        ]);
        for (const lines of through) assert.deepEqual(lines, direct);
      }));
      await bystander.isUndisturbed();
      await holder.isUndisturbed();
    });
  }

  // PostgreSQL says more to a client that leaves inside COPY; it is not there to hear it.
  for (const mode of ["session", "transaction"]) {
    for (
      const [what, bytes] of [
        ["Terminate", terminate()],
        ["an unknown type", message("z")],
        ["a wrong length", withLengthWord("d", 3)],
      ] as const
    ) {
      await t.step(
        `${what} inside COPY closes the connection and undoes the COPY, ${mode} pooling`,
        async () => {
          await old.sql("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int)");
          await using client = await WireClient.connect(pgplex, { ...login, database: `${mode} old` });
          await client.send(query("COPY copied FROM STDIN"));
          await client.readUntil("G");
          await client.send(concat([frontend.copyData("1\n"), bytes]));
          await client.closed();
          await waitFor(async () => !(await old.sql("SELECT 1 FROM pg_stat_progress_copy")).length, {
            what: "the COPY to end",
          });
          assert.deepEqual(await old.sql("SELECT a FROM copied"), []);
          await bystander.isUndisturbed();
        },
      );
    }
  }

  await t.step("a transaction whose client breaks the protocol is rolled back at once", async () => {
    await old.sql("CREATE TABLE locked (a int)");
    for (const mode of ["session", "transaction"]) {
      await play(pgplex, {
        name: "a lock, then garbage",
        login: { ...login, database: `${mode} old` },
        steps: [query("BEGIN; LOCK TABLE locked"), "Z", message("z")],
      });
      await waitFor(
        async () => !(await old.sql("SELECT 1 FROM pg_locks WHERE relation = 'locked'::regclass")).length,
        { what: `the lock of a client in ${mode} pooling to be free` },
      );
    }
  });
});
