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
import { Intruders, one, Served } from "../harness/served.ts";

const { bind, close, describe, execute, flush, parse, query, sync } = frontend;

const served = new Served({
  setup:
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 9) i",
  pools: {
    two: { default_pool_size: 2 },
    one: { default_pool_size: 1 },
    few: { default_pool_size: 2, max_prepared_statements: 2 },
    none: { default_pool_size: 1, max_prepared_statements: 0 },
  },
});

/** Sends `parts`, then a Sync, and returns everything up to ReadyForQuery. */
async function batch(client: WireClient, ...parts: Uint8Array[]): Promise<WireMessage[]> {
  await client.send(...parts, sync());
  return await client.readUntil("Z");
}

/** Everything that two servers say alike: no file, line and function. */
function errorText(messages: WireMessage[]): string {
  const fields = errorOf(messages);
  return fields === null ? "no error" : `${fields["S"]} ${fields["V"]} ${fields["C"]} ${fields["M"]}`;
}

/** What each of `batches` answers on a server itself and through pgplex must be the same. */
async function sameAsDirect(alias: string, ...batches: Uint8Array[][]): Promise<WireMessage[][]> {
  await using direct = await served.direct();
  await using proxied = await served.client(alias);
  const replies: WireMessage[][] = [];
  for (const parts of batches) {
    const [expected, received] = [await batch(direct, ...parts), await batch(proxied, ...parts)];
    assert.equal(typesOf(received), typesOf(expected));
    assert.equal(errorText(received), errorText(expected));
    assert.deepEqual(rowsOf(received), rowsOf(expected));
    assert.equal(received.at(-1)!.status, expected.at(-1)!.status);
    replies.push(received);
  }
  return replies;
}

Deno.test("A named statement works on whichever server connection the next lease brings", async () => {
  await using intruders = await Intruders.start(served, "two");
  await using client = await served.client("two");
  await batch(client, parse("SELECT v, pg_backend_pid() FROM t WHERE id = $1::int", { name: "by_id" }));
  const pids = new Set<string>();
  for (let round = 0; round < 6; round++) {
    await intruders.swap();
    const messages = await batch(
      client,
      bind({ statement: "by_id", values: [String(round + 1)] }),
      execute(),
    );
    assert.equal(typesOf(messages), "2DCZ");
    assert.equal(rowsOf(messages)[0]![0], `v${round + 1}`);
    pids.add(rowsOf(messages)[0]![1]!);
  }
  assert.equal(pids.size, 2);
});

Deno.test("Two clients use one name: for the same text, and each for a text of its own", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  const [same, other] = ["SELECT 'same'", "SELECT 'other'"];
  await batch(a, parse(same, { name: "s" }));
  await batch(b, parse(same, { name: "s" }));
  for (const client of [a, b]) {
    assert.deepEqual(rowsOf(await batch(client, bind({ statement: "s" }), execute())), [["same"]]);
  }
  await batch(b, close("S", "s"), parse(other, { name: "s" }));
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(rowsOf(await batch(a, bind({ statement: "s" }), execute())), [["same"]]);
    assert.deepEqual(rowsOf(await batch(b, bind({ statement: "s" }), execute())), [["other"]]);
  }
  await a.close(); // what it leaves does not take b's away
  assert.deepEqual(rowsOf(await batch(b, bind({ statement: "s" }), execute())), [["other"]]);
});

Deno.test("A name is free for another text after Close, in the same batch and in another lease", async () => {
  await using intruders = await Intruders.start(served, "two");
  await using client = await served.client("two");
  await batch(client, parse("SELECT 1", { name: "s" }));
  await intruders.swap();
  assert.equal(typesOf(await batch(client, close("S", "s"))), "3Z");
  assert.equal(errorOf(await batch(client, bind({ statement: "s" })))!["C"], "26000");
  await intruders.swap();
  await batch(client, parse("SELECT 2", { name: "s" }));
  await intruders.swap();
  const messages = await batch(
    client,
    bind({ statement: "s" }),
    execute(),
    close("S", "s"),
    parse("SELECT 3", { name: "s" }),
    bind({ statement: "s" }),
    execute(),
  );
  assert.equal(typesOf(messages), "2DC312DCZ");
  assert.deepEqual(rowsOf(messages), [["2"], ["3"]]);
});

Deno.test("A duplicate Parse fails as on the server, and its batch is rolled back", async () => {
  await served.node.sql("DELETE FROM t WHERE id > 100");
  await sameAsDirect(
    "two",
    [parse("SELECT 1", { name: "dup" })],
    [
      parse("INSERT INTO t VALUES (101)"),
      bind(),
      execute(),
      parse("SELECT 2", { name: "dup" }),
      bind({ statement: "dup" }),
      execute(),
    ],
    [parse("SELECT count(*) FROM t WHERE id > 100"), bind(), execute()],
    [bind({ statement: "dup" }), execute()],
    [parse("SELECT 'both in one batch'", { name: "d2" }), parse("SELECT 2", { name: "d2" })],
    [bind({ statement: "d2" }), execute()],
    [parse("SELECT 3", { name: "dup" }), parse("SELECT 4", { name: "skipped" })],
    [bind({ statement: "skipped" })],
  );
  assert.equal(String(await served.value("SELECT count(*) FROM t WHERE id > 100")), "0");
});

Deno.test("Errors about statements come in the order in which the server finds them", async () => {
  await sameAsDirect(
    "two",
    [parse("SELECT 1", { name: "dup" })],
    [parse("SELEC", { name: "dup" })],
    [parse("BEGIN"), bind(), execute()],
    [parse("SELECT 1/0"), bind(), execute()],
    [parse("SELECT 2", { name: "dup" })],
    [bind({ statement: "missing" })],
    [bind({ statement: "dup" })],
    [parse("ROLLBACK", { name: "dup" })],
    [parse("ROLLBACK"), bind(), execute()],
  );
});

Deno.test("Bind and Describe of a statement that does not exist fail as on the server", async () => {
  await sameAsDirect(
    "two",
    [bind({ statement: "missing" }), execute()],
    [describe("S", "missing")],
    [describe("S", 'with "quotes" and ü')],
    [describe("P", "no portal")],
    [close("S", "missing"), close("P", "missing"), close("S")],
    [close("S")],
    [bind()],
    [describe("S")],
    [parse("SELECT 1"), bind(), execute(), bind({ statement: "missing" }), parse("SELECT 2")],
    [parse("BEGIN"), bind(), execute(), bind({ statement: "missing" })],
    [parse("ROLLBACK"), bind(), execute()],
  );
});

Deno.test("The unnamed statement survives Sync on another connection, and its Close and a simple Query end it", async () => {
  await using intruders = await Intruders.start(served, "two", "SELECT 'intruder'");
  await using client = await served.client("two");
  await batch(client, parse("SELECT $1::text || 'unnamed'"));
  for (const value of ["a", "b", "c"]) {
    await intruders.swap();
    assert.equal(typesOf(await batch(client, describe("S"))), "tTZ");
    await intruders.swap();
    const messages = await batch(client, bind({ values: [value] }), describe("P"), execute());
    assert.equal(typesOf(messages), "2TDCZ");
    assert.deepEqual(rowsOf(messages), [[`${value}unnamed`]]);
  }
  await client.query("SELECT 1");
  assert.equal(
    errorText(await batch(client, bind())),
    "ERROR ERROR 26000 unnamed prepared statement does not exist",
  );
  await batch(client, parse("SELECT 2"));
  await batch(client, close("S"));
  assert.equal(errorOf(await batch(client, bind()))!["C"], "26000");
});

Deno.test("The unnamed statement is each client's own on a connection that they share", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  await batch(a, parse("SELECT 'a'"));
  await batch(b, parse("SELECT 'b'"));
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(rowsOf(await batch(a, bind(), execute())), [["a"]]);
    assert.deepEqual(rowsOf(await batch(b, bind(), execute())), [["b"]]);
  }
  assert.equal(errorOf(await batch(b, parse("SELEC")))!["C"], "42601");
  assert.equal(errorOf(await batch(b, bind()))!["C"], "26000");
  assert.deepEqual(rowsOf(await batch(a, bind(), execute())), [["a"]]);
});

for (const alias of ["few", "none"]) {
  Deno.test(`Pipelines of ten statements work where a connection keeps few of them (${alias})`, async () => {
    await using a = await served.client(alias);
    await using b = await served.client(alias);
    const names = Array.from({ length: 10 }, (_, i) => `s${i}`);
    const parses = names.map((name, i) => parse(`SELECT ${i} + $1::int`, { name }));
    const uses = names.flatMap((statement) => [
      bind({ statement, values: ["100"] }),
      describe("S", statement),
      execute(),
    ]);
    const expected = names.map((_, i) => [String(100 + i)]);
    for (const client of [a, b]) assert.equal(typesOf(await batch(client, ...parses)), "1".repeat(10) + "Z");
    for (let round = 0; round < 3; round++) {
      await Promise.all([a, b].map(async (client) => {
        const messages = await batch(client, ...uses);
        assert.equal(errorText(messages), "no error");
        assert.deepEqual(rowsOf(messages), expected);
      }));
    }
    // The batch fails behind statements that were made, closed and made again for it: everything is as before.
    const failed = await batch(
      a,
      ...uses.slice(0, 15),
      parse("SELECT 1/0"),
      bind(),
      execute(),
      ...uses.slice(15),
    );
    assert.equal(errorOf(failed)!["C"], "22012");
    assert.deepEqual(rowsOf(await batch(a, ...uses)), expected);
    if (alias === "few") {
      const kept = await one(a, "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pgplex%'");
      assert.ok(Number(kept) <= 2, `${kept} statements kept`);
    }
  });
}

Deno.test("A Parse that was skipped behind an error leaves no name, nor does one of invalid SQL", async () => {
  await sameAsDirect(
    "two",
    [parse("SELECT 1/0"), bind(), execute(), parse("SELECT 1", { name: "skipped" }), close("S", "skipped")],
    [bind({ statement: "skipped" })],
    [parse("SELECT 1", { name: "kept" })],
    [parse("SELECT 1/0"), bind(), execute(), close("S", "kept"), parse("SELECT 2", { name: "kept" })],
    [bind({ statement: "kept" }), execute()],
    [parse("SELEC 1", { name: "invalid" })],
    [bind({ statement: "invalid" })],
    [parse("SELECT 'valid'", { name: "invalid" })],
    [bind({ statement: "invalid" }), execute()],
    [parse("SELECT 1 FROM missing_table", { name: "x" }), parse("SELECT 1", { name: "y" })],
    [describe("S", "y")],
    [parse("", { name: "empty" }), bind({ statement: "empty" }), describe("S", "empty"), execute()],
    [parse("SELECT 1; SELECT 2", { name: "two" })],
  );
});

Deno.test("Thousands of statements of one client are all there", async () => {
  await using client = await served.client("two");
  const count = 3000;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const parsed = await batch(client, ...numbers.map((i) => parse(`SELECT ${i}`, { name: `many_${i}` })));
  assert.equal(parsed.length, count + 1);
  const bound = await batch(client, ...numbers.flatMap((i) => [bind({ statement: `many_${i}` }), execute()]));
  assert.deepEqual(rowsOf(bound).map(([value]) => Number(value)), numbers);
});

for (const statement of ["DEALLOCATE ALL", "DISCARD ALL"]) {
  Deno.test(`${statement} takes away every statement of the client, and nobody else's`, async () => {
    await using a = await served.client("one");
    await using b = await served.client("one");
    for (const client of [a, b]) await batch(client, parse("SELECT 'kept'", { name: "s" }));
    assert.deepEqual(tagsOf(await a.query(statement)), [statement]);
    assert.equal(errorOf(await batch(a, bind({ statement: "s" })))!["C"], "26000");
    assert.deepEqual(rowsOf(await batch(b, bind({ statement: "s" }), execute())), [["kept"]]);
    await batch(a, parse("SELECT 'new'", { name: "s" }));
    assert.deepEqual(rowsOf(await batch(a, bind({ statement: "s" }), execute())), [["new"]]);
  });
}

Deno.test("Statements made in the same pipeline behind DEALLOCATE ALL exist", async () => {
  await using direct = await served.direct();
  await using proxied = await served.client("one");
  for (const client of [direct, proxied]) {
    await batch(client, parse("SELECT 'old'", { name: "s" }));
    await client.send(
      query("DEALLOCATE ALL"),
      parse("SELECT 'new'", { name: "n" }),
      sync(),
      parse("SELECT 'again'", { name: "s" }),
      bind({ statement: "s" }),
      execute(),
      sync(),
    );
    await client.readUntil("Z");
    assert.equal(typesOf(await client.readUntil("Z")), "1Z");
    assert.equal(typesOf(await client.readUntil("Z")), "12DCZ");
    for (const [statement, value] of [["n", "new"], ["s", "again"], ["n", "new"]]) {
      const messages = await batch(client, bind({ statement: statement! }), execute());
      assert.equal(errorText(messages), "no error");
      assert.deepEqual(rowsOf(messages), [[value]]);
    }
  }
});

Deno.test("Names are compared by their first 63 bytes, and errors give them whole", async () => {
  const [a63, a64, a200] = [63, 64, 200].map((length) => "n".repeat(length));
  await sameAsDirect(
    "two",
    [parse("SELECT 63", { name: a63! })],
    [bind({ statement: a64! }), execute()],
    [describe("S", a200)],
    [parse("SELECT 64", { name: a64! })],
    [close("S", a200)],
    [bind({ statement: a63! })],
    [bind({ statement: a200! })],
    [parse("SELECT 200", { name: a200! }), bind({ statement: a63! }), execute()],
    [bind({ statement: "x".repeat(5000) })],
  );
});

Deno.test("Long texts work unnamed and named, in the same batch and in a later lease", async () => {
  await using intruders = await Intruders.start(served, "two", "SELECT 1");
  await using client = await served.client("two");
  for (const bytes of [200_000, 1_000_000]) {
    for (const name of ["", `long_${bytes}`]) {
      const sql = `SELECT length('${"x".repeat(bytes)}')`;
      await intruders.swap();
      const now = await batch(
        client,
        parse(sql, { name }),
        describe("S", name),
        bind({ statement: name }),
        execute(),
      );
      assert.equal(typesOf(now), "1tT2DCZ");
      for (let round = 0; round < 2; round++) {
        await intruders.swap();
        const later = await batch(client, bind({ statement: name }), execute());
        assert.equal(errorText(later), "no error", `${bytes} bytes, ${name === "" ? "unnamed" : "named"}`);
        assert.deepEqual(rowsOf(later), [[String(bytes)]]);
      }
    }
  }
});

Deno.test("An unnamed statement of megabytes waits for its Bind on its connection, and says so where it is gone", async () => {
  await using client = await served.client("one");
  await using other = await served.client("one");
  const sql = `SELECT length('${"x".repeat(3_000_000)}')`;
  for (let round = 0; round < 2; round++) {
    assert.equal(typesOf(await batch(client, parse(sql), describe("S", ""))), "1tTZ");
    const waiting = other.query("SELECT 'other'");
    const first = await batch(client, bind(), execute());
    assert.deepEqual(rowsOf(first), [["3000000"]]);
    // It was bound: the connection is anybody's now.
    assert.deepEqual(rowsOf(await waiting), [["other"]]);
    assert.equal(
      errorText(await batch(client, bind(), execute())),
      "ERROR ERROR 54000 the unnamed prepared statement was too large to be kept for another transaction",
    );
    assert.deepEqual(rowsOf(await client.extended(sql)), [["3000000"]]);
    assert.deepEqual(rowsOf(await other.query("SELECT 'other'")), [["other"]]);
  }
});

Deno.test("An unnamed statement of megabytes holds no connection once it is closed, replaced or refused", async () => {
  await using client = await served.client("one");
  await using other = await served.client("one");
  const sql = `SELECT length('${"x".repeat(3_000_000)}')`;
  const ends = [
    parse("SELEKT"),
    parse(`SELEKT ${sql}`),
    parse("SELECT 1"),
    close("S", ""),
    query("SELECT 1"),
  ];
  for (const end of ends) {
    await batch(client, parse(sql));
    await client.send(end);
    if (end[0] === 0x51) await client.readUntil("Z");
    else await batch(client);
    assert.deepEqual(rowsOf(await other.query("SELECT 'other'")), [["other"]]);
  }
});

Deno.test("Describe tells of a statement right behind its Parse and in a later lease alike", async () => {
  await using intruders = await Intruders.start(served, "two");
  await using client = await served.client("two");
  const sql = "SELECT id, v FROM t WHERE id = $1 AND v = $2";
  await client.send(parse(sql, { name: "d", types: [20] }), describe("S", "d"), flush());
  const first = await client.readUntil("T");
  assert.equal(typesOf(first), "1tT");
  assert.equal(typesOf(await batch(client)), "Z");
  for (let round = 0; round < 3; round++) {
    await intruders.swap();
    const later = await batch(client, describe("S", "d"));
    assert.deepEqual(later.slice(0, 2), first.slice(1));
    assert.deepEqual(later[0]!.types, [20, 25]);
    assert.deepEqual(later[1]!.columns, ["id", "v"]);
  }
});

Deno.test("Batches in flight behind one that fails find the statements that they would on a server", async () => {
  const failing = [parse("SELECT 1/0"), bind(), execute()];
  const use = (statement: string) => [bind({ statement }), execute(), sync()];
  const pipelines: Uint8Array[][] = [
    // The first use on a connection is skipped: the next batch makes the statement there itself.
    [...failing, ...use("kept"), ...use("kept"), ...use("kept")],
    // Names that were, or were not, made and closed in the part that is skipped.
    [...failing, parse("SELECT 'n'", { name: "n" }), sync(), ...use("n")],
    [
      ...failing,
      parse("SELECT 'm'", { name: "m" }),
      sync(),
      parse("SELECT 'again'", { name: "m" }),
      sync(),
      ...use("m"),
    ],
    [...failing, close("S", "kept"), sync(), ...use("kept"), parse("SELECT 0", { name: "kept" }), sync()],
    [
      ...failing,
      close("S", "kept"),
      parse("SELECT 0", { name: "kept" }),
      sync(),
      describe("S", "kept"),
      sync(),
    ],
    [...failing, close("S", "m"), sync(), close("S", "m"), sync(), ...use("m")],
    [close("S", "kept"), sync(), ...failing, parse("SELECT 1", { name: "kept" }), sync(), ...use("kept")],
  ];
  await using direct = await served.direct();
  await using proxied = await served.client("two");
  await using intruders = await Intruders.start(served, "two", "SELECT 'a', 1");
  for (const client of [direct, proxied]) await batch(client, parse("SELECT 'kept'", { name: "kept" }));
  for (const pipeline of pipelines) {
    await intruders.swap();
    const count = pipeline.filter((part) => part[0] === sync()[0]).length;
    const traces: string[][] = [];
    for (const client of [direct, proxied]) {
      await client.send(...pipeline);
      const trace: string[] = [];
      for (let i = 0; i < count; i++) {
        const messages = await client.readUntil("Z");
        trace.push(`${typesOf(messages)} ${errorText(messages)} ${JSON.stringify(rowsOf(messages))}`);
      }
      traces.push(trace);
    }
    assert.deepEqual(traces[1], traces[0]);
  }
});

Deno.test("A batch in flight behind one that fails never gets another client's unnamed statement", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  for (let round = 0; round < 3; round++) {
    await batch(a, parse("SELECT 'of a'"));
    await batch(b, parse("SELECT 'of b'"));
    await a.send(
      ...[bind({ statement: "missing" }), bind(), execute(), sync()],
      ...[bind(), execute(), sync()],
    );
    assert.equal(typesOf(await a.readUntil("Z")), "EZ");
    assert.deepEqual(rowsOf(await a.readUntil("Z")), [["of a"]]);
  }
});
