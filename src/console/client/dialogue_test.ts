import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../../kernel/mod.ts";
import { columns } from "../answer/mod.ts";
import { type Command, Commands } from "../command/mod.ts";
import { type ClientMessage, decodeClientMessage } from "../wire/mod.ts";
import { Dialogue } from "./dialogue.ts";
import { UNDIRECTED } from "./directives.ts";

const TEN = { columns: columns("n int4"), rows: Array.from({ length: 10 }, (_, n) => [n]) };

/** 300,000 cells. */
const MANY = {
  columns: columns("a int4, b int4, c int4, d int4, e int4, f int4"),
  rows: Array.from({ length: 50_000 }, (_, n) => [n]),
};

const CANCELED = new PgplexError("query_canceled", "canceling statement due to user request");

/** A dialogue with a few commands; `log` has what was run, `take` the types of what was sent. */
function dialogue() {
  const log: string[] = [];
  const sent: Uint8Array[] = [];
  const defects: unknown[] = [];
  const paces = { count: 0, canceled: false };
  const command = (words: string, run: Command["run"]): Command => ({
    words: words.split(" "),
    access: "stats",
    run,
  });
  const commands = new Commands([
    command("SHOW TEN", () => TEN),
    command("SHOW MANY", () => MANY),
    command("SHOW", () => {
      throw new PgplexError("undefined_object", "no such thing");
    }),
    command("SET", (args) => (log.push(args.text(args.count - 1)), {})),
    command(
      "SLOW",
      async () => (await Promise.resolve(),
        log.push("slow"),
        { notices: [{ severity: "NOTICE", message: "m" }] }),
    ),
    command("BREAK", () => {
      throw new Error("a defect");
    }),
  ]);
  const it = new Dialogue({
    commands,
    directed: () => UNDIRECTED,
    apply() {},
    run: ({ command, args }, params) => command.run(args(params), undefined as never),
    inTransaction: () => false,
    send: (message) => void sent.push(message),
    pace: () => (paces.count++, paces.canceled ? Promise.reject(CANCELED) : null),
    defect: (thrown) => void defects.push(thrown),
  });
  const say = async (...messages: ClientMessage[]) => {
    for (const message of messages) await it.receive(message);
    return sent.splice(0).map(([type]) => String.fromCharCode(type!)).join("");
  };
  const malformed = (type: string) => {
    it.refuseMessage(type.charCodeAt(0), new PgplexError("protocol_violation", "invalid message format"));
    return sent.splice(0).map(([type]) => String.fromCharCode(type!)).join("");
  };
  return { say, malformed, log, defects, paces, prepared: it.prepared };
}

const query = (text: string): ClientMessage => ({ kind: "query", text });
const parse = (text: string, name = ""): ClientMessage => ({ kind: "parse", name, text, types: [] });
const bind = (values: string[] = [], statement = ""): ClientMessage => ({
  kind: "bind",
  portal: "",
  statement,
  formats: [],
  values: values.map((value) => new TextEncoder().encode(value)),
  resultFormats: [],
});
const execute = (rowsMax = 0): ClientMessage => ({ kind: "execute", portal: "", rowsMax });
const describe = (target: "statement" | "portal", name = ""): ClientMessage => ({
  kind: "describe",
  target,
  name,
});
const SYNC: ClientMessage = { kind: "sync" };

Deno.test("Dialogue answers each statement of a Query, and stops at the first error", async () => {
  const { say, log } = dialogue();
  equal(await say(query("SHOW TEN; SET a = 1; SLOW")), `T${"D".repeat(10)}CCNCZ`);
  equal(await say(query("SET b; SHOW nothing; SET c")), "CEZ");
  equal(await say(query("SET d; bogus")), "CEZ");
  equal(await say(query("SET e; 'x")), "EZ"); // what cannot be read is not run in part
  equal(await say(query("-- nothing")), "IZ");
  deepEqual(log, ["1", "slow", "b", "d"]);
});

Deno.test("Dialogue runs what has an effect at Execute only, once, with its parameters", async () => {
  const { say, log } = dialogue();
  equal(
    await say(parse("SET a = $1", "s"), describe("statement", "s"), bind(["v"], "s"), describe("portal")),
    "1tn2n",
  );
  deepEqual(log, []);
  equal(await say(execute(), SYNC), "CZ");
  equal(await say(bind(["w"], "s"), execute(), execute(), SYNC), "2CEZ");
  deepEqual(log, ["v", "w"]);
});

Deno.test("Dialogue gives as many rows as Execute asks for, then says that there are more", async () => {
  const { say } = dialogue();
  equal(
    await say(parse("SHOW TEN"), bind(), describe("portal"), execute(4), execute(6), execute(5), SYNC),
    "12TDDDDsDDDDDDCCZ",
  );
});

Deno.test("Dialogue says nothing between an error and Sync, and a defect is reported", async () => {
  const { say, defects } = dialogue();
  equal(await say(parse("bogus"), bind(), query("SHOW TEN"), execute(), SYNC), "EZ");
  equal(await say(query("BREAK")), "EZ");
  equal(defects.length, 1);
  equal(await say(parse("BREAK"), bind(), execute(), execute(), SYNC), "12EZ");
  equal(defects.length, 2);
});

Deno.test("Dialogue answers each Query and Sync with one ReadyForQuery, whatever comes in whatever order", async () => {
  const one = fc.constantFrom<ClientMessage>(
    query("SHOW TEN"),
    query("bogus; SET a = 1"),
    parse("SHOW TEN"),
    parse("SET a = $1", "s"),
    parse(""),
    bind(),
    bind(["v"], "s"),
    describe("portal"),
    describe("statement", "s"),
    execute(),
    execute(3),
    { kind: "close", target: "statement", name: "s" },
    { kind: "function_call" },
    { kind: "copy" },
    { kind: "flush" },
    SYNC,
  );
  await fc.assert(fc.asyncProperty(fc.array(one, { maxLength: 30 }), async (messages) => {
    const { say, defects } = dialogue();
    let skipping = false;
    for (const message of messages) {
      const said = await say(message);
      const answered: boolean = message.kind === "sync" ||
        (!skipping && (message.kind === "query" || message.kind === "function_call"));
      equal(said.split("Z").length - 1, answered ? 1 : 0, said);
      if (skipping && message.kind !== "sync") equal(said, "");
      if (message.kind === "sync") skipping = false;
      else if (!answered) skipping ||= said.includes("E");
    }
    equal(defects.length, 0);
  }));
});

Deno.test("Dialogue keeps a bounded number of prepared statements", async () => {
  const { say, prepared } = dialogue();
  for (let i = 0; i < 1000; i++) await say(parse("SHOW TEN", `s${i}`));
  equal(await say(parse("SHOW TEN", "one more"), SYNC), "EZ");
  equal(prepared.statementCount, 1000);
});

Deno.test("Dialogue keeps a bounded amount of text and of rows for one client", async () => {
  const { say } = dialogue();
  const long = `SHOW TEN /*${"x".repeat(60_000)}*/`;
  for (let i = 0; i < 16; i++) equal(await say(parse(long, `s${i}`)), "1");
  equal(await say(parse(long, "one more"), SYNC), "EZ");
  equal(await say(parse("SHOW TEN", "short"), SYNC), "1Z");
  const { say: ask } = dialogue();
  const portal = (name: string): ClientMessage => ({
    ...bind() as ClientMessage & { kind: "bind" },
    portal: name,
  });
  const look = (name: string): ClientMessage => ({ kind: "describe", target: "portal", name });
  await ask(parse("SHOW MANY"));
  for (const name of ["a", "b", "c"]) equal(await ask(portal(name), look(name)), "2T");
  equal(await ask(portal("d"), look("d"), SYNC), "2EZ");
  // What was fetched to its end is not kept.
  const whole = (name: string): ClientMessage => ({ kind: "execute", portal: name, rowsMax: 0 });
  for (const name of ["a", "b", "c", "d", "e"]) equal((await ask(portal(name), whole(name))).at(-1), "C");
});

Deno.test("Dialogue looks at the client's pace between statements and among rows, and stops when it says so", async () => {
  const { say, paces } = dialogue();
  await say(query("SHOW TEN; SHOW TEN"));
  equal(paces.count, 4);
  await say(query("SHOW MANY"));
  equal(paces.count > 500, true);
  paces.canceled = true;
  equal(await say(query("SHOW TEN; SHOW TEN")), "EZ");
  equal(await say(parse("SHOW TEN"), bind(), execute(), SYNC), "12EZ");
});

Deno.test("Dialogue takes a malformed Sync for a Sync, and waits for one behind any other malformed message", async () => {
  const { say, malformed } = dialogue();
  equal(await say(parse("bogus")) + malformed("S"), "EEZ");
  equal(await say(query("SHOW TEN")), `T${"D".repeat(10)}CZ`);
  equal(malformed("B") + await say(query("SHOW TEN"), SYNC), "EZ");
  equal(await say(parse("bogus")) + malformed("Q") + await say(SYNC), "EZ");
});

Deno.test("decodeClientMessage throws nothing but protocol errors, for any body", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }), (type, body) => {
    try {
      decodeClientMessage(type, body);
    } catch (thrown) {
      equal(thrown instanceof PgplexError && thrown.code, "protocol_violation");
    }
  }));
});
