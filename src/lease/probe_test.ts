import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Settings } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeBack, encodeError, encodeReadyForQuery } from "../protocol/mod.ts";
import { probe } from "./probe.ts";

const READY = encodeReadyForQuery("I".charCodeAt(0));
const CANCELED = encodeError(
  "ERROR",
  new PgplexError("query_canceled", "canceling statement due to statement timeout"),
);

/** A DataRow of these texts. */
function row(...texts: string[]): Uint8Array {
  const body = [texts.length >> 8, texts.length & 255];
  for (const text of texts) body.push(0, 0, 0, text.length, ...new TextEncoder().encode(text));
  return encodeBack("D".charCodeAt(0), Uint8Array.from(body));
}

/** What the session has set, as SHOW shows it; nothing of the rest. */
const SHOWN: Readonly<Record<string, string>> = { statement_timeout: "5s", role: "none", work_mem: "4MB" };

/** A server whose session has a statement_timeout, which cancels each of the first `canceled` requests. */
function busyServer(canceled: number): ReturnType<typeof fakeServer> & { requests: string[] } {
  const fake = fakeServer({ settings: Settings.from([["server_version", "16.1"], ["TimeZone", "UTC"]]) });
  const requests: string[] = [];
  fake.stream.onWrite = (bytes) => {
    const text = new TextDecoder().decode(bytes);
    requests.push(text);
    if (requests.length <= canceled) return fake.stream.say(CANCELED, READY, READY, READY, READY);
    const shown = [...text.matchAll(/SHOW (\w+)/g)].map(([, name]) => row(SHOWN[name!] ?? ""));
    fake.stream.say(
      ...shown,
      READY,
      row("d", "statement_timeout", "0"),
      row("d", "work_mem", "4096"),
      row("d", "search_path", ""),
      row("s", "temp_buffers", "8192"),
      row("u", "my.name", "x"),
      row("n", "2", ""),
      READY,
      row("p", "mine", "PREPARE mine AS SELECT 1"),
      row("q", "theirs", "SELECT 2"),
      row("l", "news", ""),
      READY,
      READY,
    );
  };
  return { ...fake, requests };
}

for (const canceled of [0, 1, 2, 7, 19]) {
  Deno.test(`probe() finds what the session has set though its statement_timeout cancels ${canceled} requests`, async () => {
    const { server, stream, statements } = busyServer(canceled);
    const reader = server.start();
    const found = await probe(server, { customSettings: ["my.name"], aside: false }, statements);
    deepEqual([...found.settings.values].filter(([name]) => name !== "server_version"), [
      ["TimeZone", "UTC"],
      ["statement_timeout", "5s"],
      ["temp_buffers", "8192"],
      ["my.name", "x"],
    ]);
    deepEqual([[...found.sqlStatements], found.foreignStatements, found.channels, found.placeholders], [
      [["mine", "PREPARE mine AS SELECT 1"]],
      ["theirs"],
      ["news"],
      ["my.name"],
    ]);
    stream.onWrite = null;
    server.close();
    await reader;
  });
}

Deno.test("probe() gives up, rather than guess, where every request is cancelled", async () => {
  const { server, stream, statements, requests } = busyServer(Infinity);
  const reader = server.start();
  await rejects(probe(server, { customSettings: [], aside: false }, statements), { sqlstate: "57014" });
  equal(requests.length, 20);
  equal(server.prepared.size, 0);
  stream.onWrite = null;
  server.close();
  await reader;
});

Deno.test("probe() asks for custom settings by names that the server can read", async () => {
  const { server, stream, statements, requests } = busyServer(0);
  const reader = server.start();
  await probe(server, { customSettings: ["a.b", "c.\xe9"], aside: false }, statements);
  equal(requests[0]!.includes('{"a.b"}'), true);
  stream.onWrite = null;
  server.close();
  await reader;
});

/** What {@link tempServer} answers to one of the probe's statements: rows, or the SQLSTATE of an error. */
type Answer = readonly (readonly string[])[] | string;

/** A server that answers each of the probe's statements by `answers`, in order, and the last one again and again. */
function tempServer(
  answers: { all?: Answer[]; names?: Answer[]; temporary?: Answer[] },
  clientEncoding = "UTF8",
) {
  const fake = fakeServer({
    settings: Settings.from([["server_encoding", "UTF8"], ["client_encoding", clientEncoding]]),
  });
  const { server, stream } = fake;
  /** Statements as they were run, and what stands between them. */
  const asked: string[] = [];
  const texts = new Map<string, string>();
  let statement = "";
  let failed = false;
  const next = (left: Answer[] = []): Answer => (left.length > 1 ? left.shift() : left[0]) ?? [];
  const say = (answer: Answer) => {
    if (failed) return;
    if (typeof answer === "string") {
      failed = true;
      stream.say(encodeError("ERROR", new PgplexError("internal", "no", { sqlstate: answer })));
    } else stream.say(...answer.map((cells) => row(...cells)));
  };
  const kindOf = (text: string) =>
    text.includes("pg_show_all_settings") ? "all" : text.includes("pg_depend") ? "temporary" : "names";
  stream.onWrite = (bytes) => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      const type = String.fromCharCode(bytes[at]!);
      const parts = new TextDecoder().decode(bytes.subarray(at + 5, end)).split("\0");
      at = end;
      if (type === "P") texts.set(parts[0]!, parts[1]!);
      if (type === "B") statement = parts[1]!;
      if (type === "E") {
        const kind = kindOf(texts.get(statement)!);
        asked.push(kind);
        say(next(answers[kind]));
      }
      if (type === "Q") {
        const sql = parts[0]!;
        if (sql === "COMMIT") failed = false;
        else if (sql.startsWith("BEGIN")) say([...sql.matchAll(/SHOW (\w+)/g)].map(() => ["none"]));
        else asked.push(sql.replaceAll(/SET LOCAL | TO .*/g, ""));
      }
      if (type === "Q" || type === "S") stream.say(READY);
    }
  };
  const reader = server.start();
  const look = () => probe(server, { customSettings: [], aside: false }, fake.statements);
  const end = async () => {
    server.close();
    await reader;
  };
  return { server, asked, look, end };
}

Deno.test("probe() asks for what is in the temporary schema where the backend has one, by itself the first time", async () => {
  const made: Answer[] = [[["m", "", ""], ["k", "advisory lock", ""]]];
  const { server, asked, look, end } = tempServer({
    all: made,
    temporary: [[["k", "temporary object", ""]], []],
  });
  const first = await look();
  deepEqual([first.tempSchema, first.pins], [true, ["advisory lock", "temporary object"]]);
  deepEqual(asked.splice(0), ["all", "names", "enable_indexscan", "temporary"]);
  server.state.tempSchemaMade();
  const second = await look();
  deepEqual([second.tempSchema, second.pins], [true, ["advisory lock"]]);
  deepEqual(asked, ["all", "names", "enable_indexscan", "temporary"], "in the same transaction");
  await end();
});

Deno.test("probe() does not ask for the temporary schema of a backend that has none", async () => {
  const { asked, look, end } = tempServer({});
  const { tempSchema, pins } = await look();
  deepEqual([tempSchema, pins, asked], [false, [], ["all", "names"]]);
  await end();
});

Deno.test("probe() reads names in the client's encoding, and as the server has them where that lacks a character", async () => {
  const names: Answer[] = ["22P05", [["l", "news", ""]]];
  const { asked, look, end } = tempServer({ names }, "LATIN1");
  deepEqual((await look()).channels, ["news"]);
  deepEqual(asked, ["all", "client_encoding", "names", "all", "names"]);
  await end();
});

Deno.test("probe() prepares its statements again where the server has lost them", async () => {
  const { server, asked, look, end } = tempServer({ all: ["26000", []] });
  await look();
  deepEqual(asked, ["all", "names", "all", "names"]);
  equal(server.prepared.size, 2);
  await end();
});

Deno.test("probe() fails by any other error, and takes it that nothing is prepared", async () => {
  const { server, look, end } = tempServer({ all: ["53200"] });
  await rejects(look(), { sqlstate: "53200" });
  equal(server.prepared.size, 0);
  await end();
});

Deno.test("probe() takes nothing for a custom setting's value where its default is another, and asks for that once", async () => {
  const { server, stream, statements } = fakeServer({
    settings: Settings.from([["server_version", "16.1"]]),
  });
  const requests: string[] = [];
  stream.onWrite = (bytes) => {
    const text = new TextDecoder().decode(bytes);
    requests.push(text);
    const shown = [...text.matchAll(/SHOW (\w+)/g)].map(([, name]) => row(SHOWN[name!] ?? ""));
    if (text.includes('SHOW "my"')) stream.say(...shown, READY, row("given"), row(""), READY, READY);
    else {
      const found = [row("u", "my.given", ""), row("u", "my.other", ""), row("n", "2", "")];
      stream.say(...shown, READY, ...found, READY, READY, READY);
    }
  };
  const reader = server.start();
  const values = async () => {
    const found = await probe(server, { customSettings: ["my.given", "my.other"], aside: false }, statements);
    return ["my.given", "my.other"].map((name) => found.settings.values.get(name));
  };
  deepEqual(await values(), ["", undefined]);
  equal(requests.length, 2);
  deepEqual([server.state.hasNoDefault("my.given"), server.state.hasNoDefault("my.other")], [false, true]);
  deepEqual(await values(), ["", undefined]);
  equal(requests.at(-1)!.includes('"other"'), false, "that is known");
  stream.onWrite = null;
  server.close();
  await reader;
});

/** A server whose session has `set` SET, be it to its default; and how often it was asked for that. */
function asDefaultServer(set: readonly string[]) {
  const fake = fakeServer({ settings: Settings.from([["TimeZone", "UTC"], ["search_path", "public"]]) });
  const { server, stream } = fake;
  const shownAs: Record<string, string> = {
    work_mem: "4MB",
    search_path: "public",
    jit: "off",
    role: "none",
  };
  const asked: string[] = [];
  stream.onWrite = (bytes) => {
    const text = new TextDecoder().decode(bytes);
    const shown = [...text.matchAll(/SHOW (\w+)/g)].map(([, name]) => row(shownAs[name!] ?? ""));
    if (text.includes("jit_above_cost")) {
      asked.push([...text.matchAll(/SET LOCAL (\w+)/g)].map(([, name]) => name!).join());
      stream.say(...shown, READY, ...set.map((name) => row(name)), READY, READY);
    } else {
      const found = [
        ...[row("d", "work_mem", "4096"), row("d", "search_path", "public"), row("d", "jit", "on")],
        ...set.filter((name) => name === "TimeZone").map((name) => row("s", name, "UTC")),
      ];
      stream.say(...shown, READY, ...found, row("n", "2", ""), READY, READY, READY);
    }
  };
  const reader = server.start();
  const look = async (aside: boolean) => {
    const { settings } = await probe(server, { customSettings: [], aside }, fake.statements);
    server.state.found(settings, false);
    const values = [...settings.values].map(([name, value]) => `${name}=${value}`);
    return [values.slice(2), [...settings.wereSet].sort()];
  };
  const end = async () => {
    stream.onWrite = null;
    server.close();
    await reader;
  };
  return { asked, look, end };
}

Deno.test("probe() tells what was SET to its default from what nobody SET, where something may have been", async () => {
  const { asked, look, end } = asDefaultServer(["work_mem", "search_path", "TimeZone"]);
  deepEqual(await look(false), [["jit=off"], ["TimeZone"]]);
  equal(asked.length, 0, "nothing that ran sets it");
  deepEqual(await look(true), [["work_mem=4MB", "jit=off"], ["TimeZone", "search_path"]]);
  equal(asked[0]!.includes("jit"), true, "it is another than the default");
  equal(/work_mem|search_path/.test(asked[0]!), false, "these stay as the session has them");
  deepEqual(await look(false), [["work_mem=4MB", "jit=off"], ["TimeZone", "search_path"]]);
  equal(asked.length, 2, "it was SET before");
  await end();
});

Deno.test("probe() finds what nobody SET at its default, though something may have been", async () => {
  const { asked, look, end } = asDefaultServer([]);
  deepEqual([await look(true), asked.length], [[["jit=off"], []], 1]);
  await end();
});
