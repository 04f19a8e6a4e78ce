import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { PgplexError } from "../kernel/mod.ts";
import { HiddenCallers } from "../learning/mod.ts";
import { encodeError, encodeTextRow } from "../protocol/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { beginSession, type FakeClient, type FakeSessionParts, sessionParts } from "./fake_sessions_test.ts";

const {
  bind,
  concat,
  cstring,
  describe,
  execute,
  extendedQuery,
  int16,
  int32,
  message,
  parse,
  query,
  sync,
  text,
} = frontend;

/** How the server is lost: its socket ends, or it says so first. */
const WAYS: Record<string, (parts: FakeSessionParts) => void> = {
  "the socket ends": (parts) => parts.cluster.servers.at(-1)!.stream.end(),
  "the server says FATAL": (parts) => {
    const text = "terminating connection due to administrator command";
    const error = new PgplexError("internal", text, { sqlstate: "57P01" });
    parts.cluster.servers.at(-1)!.stream.say(encodeError("FATAL", error));
  },
};

/** A greeted session, to say things to, that loses its server by {@link WAYS}. */
async function begun(
  way: string,
  { pool = "state_check: off", mode = "transaction" as "session" | "transaction", account = "" } = {},
) {
  const parts = sessionParts(pool, account);
  const { session, client, over } = beginSession(parts, { mode });
  await until(() => session.greeted && client.stream.written.at(-6) === 0x5a);
  client.said();
  const heard = () => heardBy(client);
  const ask = async (...messages: Uint8Array[]) => {
    client.stream.say(concat(messages));
    await atRest();
    return heard();
  };
  /** No server answers from here on. */
  const silence = () => void (parts.cluster.servers.at(-1)!.stream.onWrite = () => {});
  const lose = async () => {
    WAYS[way]!(parts);
    await atRest();
    return heard();
  };
  const end = async () => {
    client.stream.say(frontend.terminate());
    await over;
    equal(parts.log.of("error").length, 0);
    await parts.end();
  };
  return { parts, session, client, over, ask, silence, lose, end };
}

/** What a client hears: of an error its SQLSTATE. */
function heardBy(client: FakeClient): string {
  return client.said().map(({ type, fields, status, tag }) => {
    if (type === "E") return `${fields!["S"]} ${fields!["C"]}`;
    if (type === "C") return tag!;
    return type === "Z" ? `Z${status}` : type;
  }).join(" ");
}

/** The same for each way. */
function test(name: string, fn: (way: string) => Promise<void>): void {
  for (const way of Object.keys(WAYS)) Deno.test(`survive: ${name} (${way})`, () => fn(way));
}

test("a session at rest notices nothing", async (way) => {
  const { ask, lose, parts, end } = await begun(way);
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  equal(await lose(), "");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  equal(parts.cluster.servers.length, 2);
  await end();
});

test("in a transaction: 40001 once, 25P02 until ROLLBACK, then another server", async (way) => {
  const { ask, lose, parts, session, end } = await begun(way);
  equal(await ask(query("begin")), "BEGIN ZT");
  equal(await lose(), "");
  equal(await ask(query("SELECT 1")), "ERROR 40001 ZE");
  equal(await ask(extendedQuery("SELECT 1")), "ERROR 25P02 ZE");
  equal(parts.cluster.servers.length, 1);
  equal(await ask(query("ROLLBACK")), "ROLLBACK ZI");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  equal(session.destination.counters.lost, 1);
  await end();
});

test("a statement in flight outside a transaction: 40003, and the session goes on", async (way) => {
  const { ask, silence, lose, end } = await begun(way);
  await ask(query("SELECT 1"));
  silence();
  equal(await ask(query("SELECT 1")), "");
  equal(await lose(), "ERROR 40003 ZI");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("a statement in flight in a transaction: 40001, and the transaction is aborted", async (way) => {
  const { ask, silence, lose, end } = await begun(way);
  await ask(query("begin"));
  silence();
  await ask(query("SELECT 1"));
  equal(await lose(), "ERROR 40001 ZE");
  equal(await ask(query("SELECT 1")), "ERROR 25P02 ZE");
  equal(await ask(query("commit")), "ROLLBACK ZI");
  equal(await ask(query("begin")), "BEGIN ZT");
  await end();
});

test("COMMIT in flight: 08007", async (way) => {
  const { ask, silence, lose, end } = await begun(way);
  await ask(query("begin"));
  silence();
  await ask(query("commit"));
  equal(await lose(), "ERROR 08007 ZI");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("ROLLBACK in flight: it is rolled back, and the client hears so", async (way) => {
  for (const form of [query("rollback"), concat([parse("rollback"), bind(), execute(), sync()])]) {
    const { ask, silence, lose, end } = await begun(way);
    await ask(query("begin"));
    silence();
    await ask(form);
    equal(await lose(), `${form[0] === 0x51 ? "" : "1 2 "}ROLLBACK ZI`);
    equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
    await end();
  }
});

test("BEGIN in flight: nothing was begun, unless more was sent behind it", async (way) => {
  const alone = await begun(way);
  await alone.ask(query("SELECT 1"));
  alone.silence();
  await alone.ask(query("begin"));
  equal(await alone.lose(), "ERROR 40001 ZI");
  equal(await alone.ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await alone.end();
  const more = await begun(way);
  await more.ask(query("SELECT 1"));
  more.silence();
  await more.ask(query("begin"), query("SELECT 1"));
  equal(await more.lose(), "ERROR 40001 ZE ERROR 25P02 ZE");
  equal(await more.ask(query("SELECT 1")), "ERROR 25P02 ZE");
  equal(await more.ask(query("rollback")), "ROLLBACK ZI");
  await more.end();
});

test("a pipeline gets an answer for each of its Syncs", async (way) => {
  const { ask, silence, lose, end } = await begun(way);
  await ask(query("SELECT 1"));
  silence();
  await ask(extendedQuery("SELECT 1"), extendedQuery("SELECT 1"), query("SELECT 1"));
  equal(await lose(), "ERROR 40003 ZI ERROR 40003 ZI ERROR 40003 ZI");
  equal(await ask(extendedQuery("SELECT 1")), "1 2 T D SELECT 1 ZI");
  await end();
});

test("a batch without its Sync is answered up to there, and what follows is dropped up to its Sync", async (way) => {
  const { ask, silence, lose, end } = await begun(way);
  await ask(query("SELECT 1"));
  silence();
  await ask(parse("SELECT 1"), bind(), describe("P"), execute(), frontend.flush());
  equal(await lose(), "ERROR 40003");
  equal(await ask(parse("SELECT 2"), bind(), execute()), "");
  equal(await ask(sync()), "ZI");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("a message that the client has half sent is dropped, and was not run", async (way) => {
  const { ask, lose, end } = await begun(way);
  await ask(query("begin"));
  const bytes = query(`SELECT '${"x".repeat(100_000)}'`);
  await ask(bytes.subarray(0, 50_000));
  equal(await lose(), "ERROR 40001 ZE");
  equal(await ask(bytes.subarray(50_000), query("rollback")), "ROLLBACK ZI");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("prepared statements are there afterwards", async (way) => {
  const { ask, lose, end } = await begun(way);
  await ask(parse("SELECT 1", { name: "one" }), sync());
  equal(await lose(), "");
  equal(await ask(bind({ statement: "one" }), execute(), sync()), "2 D SELECT 1 ZI");
  await end();
});

test("session pooling: what is lost is told once, with the next statement", async (way) => {
  const { ask, lose, end } = await begun(way, { mode: "session" });
  await ask(query("SELECT 1"));
  equal(await lose(), "");
  const sqlstate = way === "the socket ends" ? "08006" : "57P01";
  equal(await ask(query("SELECT 1")), `ERROR ${sqlstate} ZI`);
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("what is lost is told with the transaction, and after a ROLLBACK with what comes then", async (way) => {
  const sqlstate = way === "the socket ends" ? "08006" : "57P01";
  const commits = await begun(way, { mode: "session" });
  await commits.ask(query("begin"));
  await commits.lose();
  equal(await commits.ask(query("commit")), "ERROR 40001 ZI");
  equal(await commits.ask(query("rollback")), "ROLLBACK ZI");
  equal(await commits.ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await commits.end();
  const rollsBack = await begun(way, { mode: "session" });
  await rollsBack.ask(query("begin"));
  await rollsBack.lose();
  equal(await rollsBack.ask(query("rollback")), "ROLLBACK ZI");
  equal(await rollsBack.ask(query("rollback")), "ROLLBACK ZI");
  equal(await rollsBack.ask(query("begin")), `ERROR ${sqlstate} ZI`);
  equal(await rollsBack.ask(query("begin")), "BEGIN ZT");
  await rollsBack.end();
});

test("session pooling: a session that has run nothing loses nothing", async (way) => {
  const { ask, lose, end } = await begun(way, { mode: "session" });
  equal(await lose(), "");
  equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
  await end();
});

test("session pooling: a transaction, and what it may have committed", async (way) => {
  const { ask, silence, lose, end } = await begun(way, { mode: "session" });
  await ask(query("begin"));
  silence();
  await ask(parse("COMMIT"), bind(), execute(), sync());
  equal(await lose(), "ERROR 08007 ZI");
  equal(await ask(query("begin")), "BEGIN ZT");
  await end();
});

test("session pooling: a session that listens ends, as it would wait for ever", async (way) => {
  const { client, ask, lose, parts } = await begun(way, { mode: "session" });
  await ask(query("listen news"));
  deepEqual([(await lose()).slice(0, 5), client.stream.closed], ["FATAL", true]);
  await parts.end();
});

const note = (...values: (string | null)[]) =>
  message(
    "D",
    int16(3),
    ...values.flatMap((value) => value === null ? [int32(-1)] : [int32(value.length), text(value)]),
  );

/** A session with `commit_guard` on that has sent COMMIT, whose server answers what stands in front of it with `row`, and no more. */
async function committing(
  way: string,
  row: Uint8Array,
  { superuser = true, first = "SELECT 1", catalogueKnown = true } = {},
) {
  const account = superuser ? "superuser: { user: postgres }" : "superuser: null";
  const it = await begun(way, { pool: "state_check: off, commit_guard: on", account });
  const { parts, ask, session } = it;
  if (catalogueKnown) {
    const { catalogue } = session.destination.fingerprints;
    catalogue.found(catalogue.beginCheck(0)!, "mark", new HiddenCallers(null, null, new Set()), 0);
  }
  await ask(query("begin"));
  await ask(query(first));
  const { stream } = parts.cluster.servers.at(-1)!;
  let answers = true;
  stream.onWrite = (bytes) => {
    for (let at = 0; answers && at < bytes.length; at += 1 + new DataView(bytes.buffer).getInt32(at + 1)) {
      const type = String.fromCharCode(bytes[at]!);
      if (type === "P") stream.say(message("1"));
      else if (type === "B") stream.say(message("2"));
      else if (type === "E") {
        // In the smallest pieces: a row is taken out however it comes.
        for (const byte of row) stream.say(Uint8Array.of(byte));
        stream.say(message("C", cstring("SELECT 1")));
      }
      if (type === "S") stream.say(message("Z", text("T")));
      answers = type !== "S" && type !== "H";
    }
  };
  /** What the primary will say of the number. */
  const status = (said: string) => {
    parts.cluster.answer = (sql) => {
      if (sql.startsWith("SELECT CASE WHEN NOT")) return encodeTextRow("00000001");
      return sql.startsWith("SELECT txid_status") ? encodeTextRow(said) : null;
    };
  };
  return { ...it, status };
}

const WRITTEN = note("77", "0/3000100", "00000001");

test("COMMIT with the guard: the client waits, and hears that it was rolled back", async (way) => {
  for (const form of [query("commit"), extendedQuery("commit")]) {
    const { parts, session, client, ask, lose, status, end } = await committing(way, WRITTEN);
    status("in progress");
    // What the client sent is on its way, and no row of pgplex's reaches it.
    match(await ask(form), /^1?$/);
    equal(await lose(), "");
    // It is read no further.
    equal(await ask(query("SELECT 1")), "");
    deepEqual([session.busy, session.endable, session.inDoubt !== null], [true, false, true]);
    status("aborted");
    parts.runtime.clock.advance(200);
    await atRest();
    match(heardBy(client), /^ERROR 40001 ZI T D SELECT 1 ZI$/);
    equal(session.inDoubt, null);
    await end();
  }
});

test("COMMIT with the guard, of a transaction that only read, is done", async (way) => {
  for (
    const [form, heard] of [[query("commit"), /^COMMIT ZI$/], [
      extendedQuery("commit"),
      /^(1 )?2 n COMMIT ZI$/,
    ]] as const
  ) {
    const { ask, lose, end } = await committing(way, note(null, null, null));
    await ask(form);
    match(await lose(), heard);
    equal(await ask(query("SELECT 1")), "T D SELECT 1 ZI");
    await end();
  }
});

test("COMMIT with the guard is 08007 without a superuser, and where the transaction may have notified", async (way) => {
  const without = await committing(way, WRITTEN, { superuser: false });
  await without.ask(query("commit"));
  equal(await without.lose(), "ERROR 08007 ZI");
  await without.end();
  const notifies = await committing(way, note(null, null, null), { first: "notify" });
  await notifies.ask(query("commit"));
  equal(await notifies.lose(), "ERROR 08007 ZI");
  await notifies.end();
  // A view may call a function that does.
  const reads = await committing(way, note(null, null, null), {
    catalogueKnown: false,
    first: "SELECT a FROM v",
  });
  await reads.ask(query("commit"));
  equal(await reads.lose(), "ERROR 08007 ZI");
  await reads.end();
});

test("COMMIT with the guard: a cancel ends the wait, and a client that leaves leaves nothing behind", async (way) => {
  const canceled = await committing(way, WRITTEN);
  canceled.status("in progress");
  await canceled.ask(query("commit"));
  equal(await canceled.lose(), "");
  await canceled.session.cancel();
  await atRest();
  equal(heardBy(canceled.client), "ERROR 08007 ZI");
  await canceled.end();
  const gone = await committing(way, WRITTEN);
  gone.status("in progress");
  await gone.ask(query("commit"));
  equal(await gone.lose(), "");
  gone.session.end(new PgplexError("shutting_down", "over"));
  await gone.over;
  await gone.parts.end();
  equal(gone.parts.runtime.clock.pending, 0);
});
