import assert from "node:assert/strict";
import { cancel, errorOf, frontend, waitFor, WireClient, WireError } from "../harness/mod.ts";
import { BOSS, enter, EYE, startConsole } from "../harness/console_served.ts";
import { shown, shownRow } from "../harness/console_shown.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";

const NO_SERVER = 1; // nothing listens there

/** What a user who may only look can do to everybody else: nothing. */
Deno.test("A client of the console that asks for too much holds up itself alone", async (t) => {
  await using pgplex = await startConsole(NO_SERVER);
  await using boss = await enter(pgplex);
  const rss = async () => Number((await shownRow(boss, "SHOW MEM", "name", "process"))["memtotal"]);
  await shown(boss, "SHOW ALL");

  await t.step("thousands of statements in one message leave others their turn", async () => {
    await using eye = await enter(pgplex, EYE);
    const before = await rss();
    await eye.send(frontend.query("SHOW ALL;".repeat(7000)));
    const asked = performance.now();
    for (let i = 0; i < 5; i++) await shown(boss, "SHOW VERSION");
    assert.ok(performance.now() - asked < 5000, "others wait for all of it");
    assert.ok(await rss() - before < 100e6, "what the client does not read is kept");
  });

  await t.step("thousands of Executes without a Sync are written as the client reads", async () => {
    await using eye = await enter(pgplex, EYE);
    const before = await rss();
    const again = [frontend.bind({ statement: "s" }), frontend.describe("P"), frontend.execute()];
    await eye.send(frontend.parse("SHOW ALL", { name: "s" }));
    for (let i = 0; i < 3; i++) await eye.send(...Array.from({ length: 500 }, () => again).flat());
    const answered = async () => (await shown(boss, "SHOW CLIENTS")).find((c) => c["user"] === EYE);
    await waitFor(async () => (await answered())?.["prepared_statements"] === "1", { what: "the Parse" });
    for (let i = 0; i < 20; i++) await shown(boss, "SHOW ALL");
    assert.ok(await rss() - before < 100e6, "what the client does not read is kept");
  });

  await t.step("a cancel stops the statements behind the one that runs", async () => {
    await using eye = await enter(pgplex, EYE);
    await eye.send(frontend.query("SHOW ALL;".repeat(7000)));
    await eye.readUntil("C");
    await cancel(pgplex, eye.key!);
    const error = errorOf(await eye.readUntil("Z"))!;
    assert.deepEqual([error["C"], error["M"]], ["57014", "canceling statement due to user request"]);
    assert.equal(errorOf(await eye.query("SHOW VERSION")), null);
  });

  await t.step("KILL_CLIENT and leaving stop them too", async () => {
    for (const how of ["killed", "gone"]) {
      const eye = await enter(pgplex, EYE, { application_name: how });
      await eye.send(frontend.query("SHOW ALL;".repeat(7000)));
      await eye.readUntil("C");
      const mine = async () =>
        (await shown(boss, "SHOW CLIENTS")).find((client) => client["application_name"] === how);
      if (how === "killed") await boss.query(`KILL_CLIENT ${(await mine())!["id"]}`);
      else await eye[Symbol.asyncDispose]();
      await waitFor(async () => await mine() === undefined, { what: "the console to let it go" });
      await eye[Symbol.asyncDispose]();
    }
  });

  await t.step("stats_users cannot take the last connections", async () => {
    const eyes: WireClient[] = [];
    try {
      const refused = async () => {
        for (;;) eyes.push(await enter(pgplex, EYE));
      };
      await assert.rejects(refused(), (error: WireError) => error.fields["C"] === "53300");
      assert.equal(eyes.length, 89); // 100, but 10, and the one that looks
      await using another = await enter(pgplex);
      await shown(another, "SHOW VERSION");
    } finally {
      for (const eye of eyes) await eye.close();
    }
  });

  assert.ok(!pgplex.log.includes("internal error"), pgplex.log);
});

Deno.test("Whatever bytes a client sends, the console answers within the protocol, and goes on", async () => {
  await using pgplex = await startConsole(NO_SERVER);
  await using boss = await enter(pgplex);
  const seed = announceSeed();
  const texts = [
    "SHOW pools",
    "SHOW $1",
    "SHOW STATE $1",
    "SET application_name = $1",
    "BEGIN",
    "COMMIT",
    "",
    ";",
    "'",
    "SELECT",
    "SELECT 1; bogus",
    "SHOW a.b.c",
    'SHOW "',
    "PAUSE",
    "RESET ALL",
    "DEALLOCATE $1",
    "DEALLOCATE ALL",
    "\u{1f9ea}",
  ];
  for (let round = 0; round < 60; round++) {
    const random = new Seeded(seed, round);
    const name = () => random.pick(["", "a", "b"]);
    const values = () =>
      Array.from({ length: random.below(3) }, () => random.pick(["x", null, random.bytes(4)]));
    const messages: (() => Uint8Array)[] = [
      () => frontend.query(random.pick(texts)),
      () => frontend.parse(random.pick(texts), { name: name(), types: random.chance(0.2) ? [23] : [] }),
      () =>
        frontend.bind({ portal: name(), statement: name(), values: values(), formats: [random.below(3)] }),
      () => frontend.bind({ portal: name(), statement: name(), resultFormats: [random.below(2)] }),
      () => frontend.describe(random.pick(["S", "P"]), name()),
      () => frontend.execute({ portal: name(), rowsMax: random.between(-2, 4) }),
      () => frontend.sync(),
      () => frontend.message(random.pick([..."QPBDECSHFdcf"]), random.bytes(random.below(40))),
      () => frontend.message("Q", random.bytes(random.below(200))),
    ];
    await using client = await enter(pgplex, EYE);
    const sent = Array.from({ length: random.between(1, 60) }, () => random.pick(messages)());
    // Sometimes the end is no message at all.
    if (random.chance(0.5)) sent.push(random.bytes(random.between(1, 30)));
    const bytes = frontend.concat(sent);
    const failed = (error: unknown) => new Error(`round ${round} of seed ${seed}`, { cause: error });
    try {
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + random.between(1, 400));
        await client.socket.write(bytes.subarray(at, end));
        at = end;
      }
      client.socket.end();
      await client.closed();
    } catch (error) {
      // The console ends the connection at bytes that are no message, with some of them unread.
      if (!/ECONNRESET|EPIPE|closed/.test(String(error))) throw failed(error);
    }
  }
  await waitFor(async () => (await shown(boss, "SHOW CLIENTS")).length === 1, {
    what: "everybody to be gone",
  });
  assert.deepEqual((await shown(boss, "SHOW STATE")).slice(0, 2).map(({ value }) => value), ["yes", "no"]);
  assert.equal((await shownRow(boss, "SHOW CLIENTS", "user", BOSS!))["state"], "active");
  assert.ok(!pgplex.log.includes("internal error"), pgplex.log);
});
