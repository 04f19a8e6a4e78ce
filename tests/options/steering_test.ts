import assert from "node:assert/strict";
import {
  cancel,
  errorOf,
  frontend,
  rowsOf,
  typesOf,
  waitFor,
  type WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, concat, execute, extendedQuery, message, parse, query, sync } = frontend;

const served = new Served({
  pools: {
    transaction: { default_pool_size: 2 },
    session: { default_pool_size: 4, pool_mode: "session" },
    off: { default_pool_size: 1, directives: "off" },
    forbidden: { default_pool_size: 1, options_allowed: ["tag"] },
    one: { default_pool_size: 1 },
    unchecked: { default_pool_size: 1, state_check: "off" },
  },
});

const codeOf = (messages: WireMessage[]) => errorOf(messages)?.["C"] ?? null;
/** The query_timeout that holds, and where it comes from. */
async function timeoutOf(client: WireClient): Promise<unknown> {
  const options = rowsOf(await client.query("--!pgplex show options"));
  return options.find(([name]) => name === "query_timeout")!.slice(1, 3);
}
const noticesOf = (messages: WireMessage[]) =>
  messages.filter(({ type }) => type === "N").map(({ fields }) => fields!["M"]);

for (const alias of ["transaction", "session"]) {
  Deno.test(`A statement's timeout is counted from its own beginning, behind what was pipelined before it, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    const simple = (sql: string) => query(sql);
    const extended = (sql: string) => extendedQuery(sql);
    for (const [slow, quick] of [[simple, extended], [extended, simple]] as const) {
      const long = slow("SELECT pg_sleep(0.9)");
      await client.send(long, quick("--!pgplex timeout=800ms\nSELECT 1"), long);
      for (let i = 0; i < 3; i++) assert.equal(codeOf(await client.readUntil("Z")), null);
      await client.send(quick("--!pgplex timeout=800ms\nSELECT pg_sleep(30)"), long);
      assert.equal(codeOf(await client.readUntil("Z")), "57014");
      assert.equal(codeOf(await client.readUntil("Z")), null);
    }
  });

  Deno.test(`A transaction's timeout cancels none of its statements that is quick, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    await one(client, "BEGIN");
    await one(client, "--!pgplex transaction timeout=500ms\nSELECT 1");
    for (let i = 0; i < 8; i++) await one(client, "SELECT pg_sleep(0.1)");
    assert.equal(codeOf(await client.query("SELECT pg_sleep(30)")), "57014");
    await one(client, "ROLLBACK");
    assert.deepEqual(await timeoutOf(client), ["0s", "pool"]);
  });

  Deno.test(`A WARNING comes once, however long the statement behind it is, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    await using other = await served.client(alias);
    const sql = `--!pgplex intnt=read\nSELECT 1 -- ${"x".repeat(9000)}`;
    for (const message of [query(sql), extendedQuery(sql)]) {
      await client.send(message.subarray(0, 4500));
      await one(other, "SELECT 1"); // by then the first part was read
      await client.send(message.subarray(4500));
      const messages = await client.readUntil("Z");
      assert.deepEqual(noticesOf(messages), ['unrecognized argument "intnt" of a directive']);
      assert.deepEqual(rowsOf(messages), [["1"]]);
    }
  });

  Deno.test(`A directive holds wherever its message is divided, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    for (const send of [query, (sql: string) => extendedQuery(sql)]) {
      for (const sql of ["--!pgplex show session", " SHOW pgplex.tag"]) {
        const bytes = send(sql);
        for (const at of [5, 6, 7, 8]) {
          await client.send(bytes.subarray(0, at));
          await client.quiet(30);
          await client.send(bytes.subarray(at));
          const messages = await client.readUntil("Z");
          assert.equal(codeOf(messages), null, `${sql} at ${at}`);
          assert.notEqual(rowsOf(messages).length, 0);
        }
      }
    }
  });

  Deno.test(`RESET ALL and DISCARD ALL take back options as they do settings, in ${alias} mode`, async () => {
    for (const reset of ["RESET ALL", "DISCARD ALL"]) {
      await using client = await served.client(alias);
      await one(client, "SET pgplex.query_timeout = '7s'");
      assert.deepEqual(await timeoutOf(client), ["7s", "session"]);
      await one(client, reset);
      assert.deepEqual(await timeoutOf(client), ["0s", "pool"]);
    }
  });

  Deno.test(`A value in another encoding of a client stays text, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    await one(client, "SET client_encoding = 'SJIS'");
    // Taken for UTF-8 and quoted as such, the last backslash would be the second byte of a character in SJIS.
    const sql = concat([
      frontend.text("--!pgplex session tag='ぃ\\''; SELECT ''injected'; --'"),
      frontend.cstring("\nSELECT 1"),
    ]);
    await client.send(message("Q", sql));
    assert.deepEqual(rowsOf(await client.readUntil("Z")), [["1"]]);
    const shown = await client.query("SHOW pgplex.tag");
    assert.equal(codeOf(shown), null);
    assert.deepEqual(rowsOf(shown), [[""]]);
    await client.send(
      message(
        "Q",
        concat([frontend.text("SET pgplex.tag = '"), Uint8Array.of(0x95, 0x5c), frontend.cstring("'")]),
      ),
    );
    assert.equal(codeOf(await client.readUntil("Z")), "22023");
  });

  Deno.test(`show session answers in any encoding of a client, in ${alias} mode`, async () => {
    await using client = await served.client(alias, { application_name: "caf\u00e9\\'x" });
    for (const encoding of ["SJIS", "BIG5", "LATIN1", "UTF8"]) {
      await one(
        client,
        `SET client_encoding = '${encoding}'; SET standard_conforming_strings = ${
          encoding === "BIG5" ? "off" : "on"
        }`,
      );
      const messages = await client.query("--!pgplex show session");
      assert.equal(codeOf(messages), null, encoding);
      assert.ok(rowsOf(messages).length > 5);
    }
  });

  Deno.test(`A message with NUL inside its text is the server's to refuse, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    for (const sql of ["--!pgplex session tag=a\0b\nSELECT 1\0", "SHOW pgplex.tag\0\0", "SHOW pgplex.tag"]) {
      await client.send(message("Q", frontend.text(sql)));
      assert.equal(codeOf(await client.readUntil("Z")), "08P01", JSON.stringify(sql));
      assert.equal(await one(client, "SELECT 1"), "1");
    }
  });
}

Deno.test("A client's own cancel is not taken for its timeout", async () => {
  await using client = await served.client("transaction");
  await client.send(query("--!pgplex timeout=30s\nSELECT 'own cancel', pg_sleep(30)"));
  await waitFor(
    () =>
      served.value(
        "SELECT true FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%own cancel%' AND pid <> pg_backend_pid()",
      ),
    { what: "the statement to run" },
  );
  await cancel(served.pgplex, client.key!);
  assert.equal(errorOf(await client.readUntil("Z"))!["M"], "canceling statement due to user request");
});

Deno.test("A timeout that comes as its statement ends cancels nothing behind it", async () => {
  await using client = await served.client("transaction");
  await one(client, "BEGIN");
  for (let i = 0; i < 40; i++) {
    const ms = 40 + (i % 8) - 4;
    const timed = codeOf(await client.query(`--!pgplex timeout=40ms\nSELECT pg_sleep(${ms / 1000})`));
    if (timed === null) assert.equal(await one(client, "SELECT 'next' FROM pg_sleep(0.02)"), "next");
    else {
      assert.equal(timed, "57014");
      await one(client, "ROLLBACK");
      await one(client, "BEGIN");
    }
  }
});

Deno.test("A prepared statement's directive is one session's, whatever other pools make of the same text", async () => {
  await using client = await served.client("transaction");
  await using other = await served.client("off");
  const text = "/*!pgplex timeout=200ms*/ SELECT pg_sleep($1)";
  for (const each of [client, other]) {
    await each.send(parse(text, { name: "s" }), sync());
    await each.readUntil("Z");
  }
  await client.send(bind({ statement: "s", values: ["30"] }), execute(), sync());
  assert.equal(codeOf(await client.readUntil("Z")), "57014");
  await other.send(bind({ statement: "s", values: ["0.6"] }), execute(), sync());
  assert.equal(codeOf(await other.readUntil("Z")), null);
});

Deno.test("A Parse that is refused as its name exists leaves the directive of the statement that has it", async () => {
  await using client = await served.client("transaction");
  await client.send(parse("SELECT pg_sleep($1)", { name: "s" }), sync());
  await client.readUntil("Z");
  await client.send(parse("--!pgplex timeout=100ms\nSELECT pg_sleep($1)", { name: "s" }), sync());
  assert.equal(codeOf(await client.readUntil("Z")), "42P05");
  await client.send(bind({ statement: "s", values: ["0.5"] }), execute(), sync());
  assert.equal(codeOf(await client.readUntil("Z")), null);
});

Deno.test("Statements of one batch each have their own time", async () => {
  await using client = await served.client("transaction");
  const timed = parse("--!pgplex timeout=400ms\nSELECT pg_sleep($1)", { name: "t" });
  const plain = parse("SELECT pg_sleep($1)", { name: "p" });
  await client.send(timed, plain, sync());
  await client.readUntil("Z");
  const run = (statement: string, seconds: string) =>
    concat([bind({ statement, values: [seconds] }), execute()]);
  await client.send(run("p", "0.5"), run("t", "0.1"), run("p", "0.5"), run("t", "0.1"), sync());
  assert.equal(typesOf(await client.readUntil("Z")), "2DC2DC2DC2DCZ");
  await client.send(run("t", "30"), run("p", "0"), sync());
  assert.equal(codeOf(await client.readUntil("Z")), "57014");
});

Deno.test("An option that options_allowed leaves out is not followed, whatever way it was set", async () => {
  await using client = await served.client("forbidden");
  for (
    const sql of [
      "SELECT set_config('pgplex.pool_mode', 'session', false)",
      "SET pgplex.pool_mode = 'session'; SELECT 1",
    ]
  ) {
    await client.query(sql);
    await using other = await served.client("forbidden");
    assert.equal(await one(other, "SELECT 'had a connection'"), "had a connection");
  }
});

Deno.test("An option that was set to nonsense out of sight gets one WARNING, not one with each transaction", async () => {
  await using client = await served.client("transaction");
  await one(client, "SELECT set_config('pgplex.intent', 'perhaps', false)");
  const notices: unknown[] = [];
  for (let i = 0; i < 5; i++) notices.push(...noticesOf(await client.query("SET work_mem = '5MB'")));
  assert.deepEqual(notices, ['invalid value for parameter "pgplex.intent"']);
});

Deno.test("An option that there is not, set where pgplex does not see, gets one WARNING", async () => {
  await using client = await served.client("transaction");
  const notices = [...noticesOf(await client.query("SELECT 1; SET pgplex.intnt = 'read'"))];
  for (let i = 0; i < 3; i++) notices.push(...noticesOf(await client.query("SET work_mem = '5MB'")));
  assert.deepEqual(notices, ['unrecognized configuration parameter "pgplex.intnt"']);
});

Deno.test("RESET ALL takes back options where state_check is off", async () => {
  await using client = await served.client("unchecked");
  await one(client, "SET pgplex.query_timeout = '7s'");
  assert.deepEqual(await timeoutOf(client), ["7s", "session"]);
  await one(client, "RESET ALL");
  assert.deepEqual(await timeoutOf(client), ["0s", "pool"]);
});

Deno.test("A session whose options cannot be read keeps its connection, and pgplex goes on", async () => {
  await using client = await served.client("session");
  await one(client, "SET client_encoding = 'LATIN1'");
  await one(client, "SELECT set_config('pgplex.tag', U&'\\4e2d', false) IS NULL");
  await one(client, "SET pgplex.intent = read");
  assert.equal(await one(client, "SELECT 1"), "1");
  await using other = await served.client("session");
  assert.equal(await one(other, "SELECT 2"), "2");
});

Deno.test("A pinned session whose client cannot read a setting in its encoding keeps it, and its connection", async () => {
  await using other = await served.client("transaction");
  await using client = await served.client("transaction");
  await one(client, "CREATE TEMP TABLE pinned (n int)");
  await one(client, "SET client_encoding = 'LATIN1'");
  await client.query("SELECT set_config('pgplex.tag', U&'\\4e2d', false) IS NULL");
  assert.equal(await one(client, "SELECT length(current_setting('pgplex.tag'))"), "1");
  assert.equal(await one(client, "SELECT count(*) FROM pinned"), "0");
  assert.equal(await one(other, "SELECT 2"), "2");
});

Deno.test("query_wait_timeout of a prepared statement holds each time that it waits", async () => {
  await using client = await served.client("one");
  const text = "--!pgplex query_wait_timeout=100ms\nSELECT 1";
  await client.send(parse(text), parse(text, { name: "s" }), sync());
  await client.readUntil("Z");
  await using holder = await served.client("one");
  await one(holder, "BEGIN");
  for (const statement of ["s", "", "s"]) {
    await client.send(bind({ statement }), execute(), sync());
    assert.equal(errorOf(await client.readUntil("Z"))!["D"], "The limit is 100 ms.");
  }
});
