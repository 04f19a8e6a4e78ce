import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { AssertionFailure, PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBack,
  encodeError,
  encodeParameterStatus,
  encodeReadyForQuery,
  encodeTerminate,
  TxStatus,
} from "../protocol/mod.ts";
import { LARGE_BUFFER_BYTES } from "../transport/mod.ts";
import { parameterAt, serverError, type ServerSink } from "./connection.ts";
import { fakeServer } from "./fake_server_test.ts";
import { Owed } from "./owed_entries.ts";
import { Settings } from "./settings.ts";
import { runQuery } from "./task.ts";

const fatal = encodeError("FATAL", new PgplexError("shutting_down", "terminating connection"));
const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Takes whole messages of up to `stopAt` of them, and everything that a sink hears. */
class Collector implements ServerSink {
  readonly messages: Uint8Array[] = [];
  readonly log: string[] = [];
  error: PgplexError | null = null;
  written: Promise<void> | null = null;

  receive(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (end - at >= 5) {
      const length = 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      if (end - at < length) break;
      this.messages.push(bytes.slice(at, at + length));
      at += length;
    }
    return at;
  }

  flush(): Promise<void> | null {
    return this.written;
  }

  settle(): void {
    this.log.push("settle");
  }

  ended(error: PgplexError): void {
    this.error = error;
  }
}

/** The connection reads idly; what `onIdleEnd` says, and when the reader is gone. */
function idle(settings?: Settings) {
  const fake = fakeServer(settings === undefined ? {} : { settings });
  const ends: PgplexError[] = [];
  fake.server.onIdleEnd((error) => ends.push(error));
  return { ...fake, ends, reader: fake.server.start() };
}

Deno.test("ServerConnection notes parameters that come while it is idle, and drops notices and notifications", async () => {
  const { server, stream, ends, reader } = idle(Settings.from([["TimeZone", "UTC"]]));
  stream.say(
    encodeBack(0x4e, bytesOf("SNOTICE\0\0")),
    encodeParameterStatus("TimeZone", "CET"),
    encodeBack(0x41, bytesOf("\0\0\0\x01ch\0\0")),
    encodeParameterStatus("in_hot_standby", "on"),
  );
  await stream.drained();
  deepEqual([...server.settings.values], [["TimeZone", "CET"], ["in_hot_standby", "on"]]);
  equal(server.identity.parameters.values.get("TimeZone"), "UTC");
  equal(ends.length, 0);
  server.close();
  await reader;
});

Deno.test("ServerConnection takes idle messages in any pieces", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20 })), async (sizes) => {
    const { server, stream, reader } = idle();
    const bytes = joined(
      encodeParameterStatus("a", "1"),
      encodeParameterStatus("b", ""),
      encodeParameterStatus("a", "2"),
    );
    let at = 0;
    for (const size of sizes) stream.say(bytes.subarray(at, at += size));
    stream.say(bytes.subarray(at));
    await stream.drained();
    deepEqual([...server.settings.values], [["a", "2"], ["b", ""]]);
    server.close();
    await reader;
  }));
});

Deno.test("ServerConnection that is told FATAL while idle ends with the server's words", async () => {
  const { server, stream, ends, reader } = idle();
  stream.say(fatal);
  stream.end();
  await reader;
  equal(server.closed, true);
  deepEqual(ends.map(({ message, sqlstate, code }) => [message, sqlstate, code]), [
    ["terminating connection", "57P01", "server_lost"],
  ]);
  equal(stream.closed, true);
});

Deno.test("ServerConnection that ends without a word says so, and what the socket said only to the log", async () => {
  for (const failure of [null, new Deno.errors.ConnectionReset("reset by 10.0.0.1")]) {
    const { stream, ends, reader } = idle();
    if (failure === null) stream.end();
    else stream.fail(failure);
    await reader;
    equal(ends[0]!.message, "the server closed the connection unexpectedly");
    ok(failure === null || ends[0]!.extra.log!.includes("10.0.0.1"));
  }
});

Deno.test("ServerConnection ends at what no server may send to an idle connection", async () => {
  for (
    const garbage of [
      encodeReadyForQuery(TxStatus.Idle), // nobody asked
      encodeBack(0x44, new Uint8Array(2)), // a DataRow
      bytesOf("HTTP/1.1 400 Bad Request\r\n"), // another protocol
      Uint8Array.of(0x53, 0, 0, 0, 3), // a length below four
      encodeBack(0x53, bytesOf("no end")), // a ParameterStatus without its NULs
    ]
  ) {
    const { server, stream, ends, reader } = idle();
    stream.say(garbage);
    // "HTTP" has the length of a huge message: it is waited for, within reason.
    for (let i = 0; i < 5000 && !server.closed; i++) {
      stream.say(new Uint8Array(16_384).fill(0x2e));
      await stream.drained();
    }
    await reader;
    equal(ends[0]!.code, "server_protocol");
    equal(stream.closed, true);
  }
});

Deno.test("ServerConnection makes room for a message that must be read whole, up to what servers may send", async () => {
  const { server, stream, reader } = idle();
  const value = "v".repeat(100_000);
  const before = encodeParameterStatus("small", "1");
  stream.say(before, encodeParameterStatus("large", value));
  await stream.drained();
  equal(server.settings.values.get("large"), value);
  // Its buffer is small afterwards: the next large one grows it again.
  stream.say(encodeParameterStatus("large", `${value}${value}`));
  await stream.drained();
  equal(server.settings.values.get("large")?.length, 200_000);
  server.close();
  await reader;
});

Deno.test("ServerConnection hands bytes to its sink, and keeps what the sink did not take", async () => {
  const { server, stream, reader } = idle();
  const sink = new Collector();
  server.setSink(sink);
  const messages = Array.from({ length: 50 }, (_, i) => encodeBack(0x44, new Uint8Array(i * 37).fill(i)));
  const bytes = joined(...messages);
  for (let at = 0; at < bytes.length; at += 1000) stream.say(bytes.subarray(at, at + 1000));
  await stream.drained();
  deepEqual(sink.messages, messages);
  equal(server.received, bytes.length);
  server.setSink(null);
  server.close();
  await reader;
});

Deno.test("ServerConnection reads no further until its sink has written on", async () => {
  const { server, stream, reader } = idle();
  const sink = new Collector();
  server.setSink(sink);
  const written = Promise.withResolvers<void>();
  sink.written = written.promise;
  stream.say(encodeBack(0x44, Uint8Array.of(1)));
  stream.say(encodeBack(0x44, Uint8Array.of(2)));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  deepEqual([sink.messages.length, sink.log.length], [1, 0]);
  sink.written = null;
  written.resolve();
  await stream.drained();
  deepEqual([sink.messages.length, sink.log.length], [2, 2]);
  server.setSink(null);
  server.close();
  await reader;
});

Deno.test("ServerConnection gives what a login left over to whoever reads next", async () => {
  const { server, stream } = fakeServer();
  const early = encodeParameterStatus("a", "1");
  const late = encodeParameterStatus("b", "2");
  server.preload(joined(early, late.subarray(0, 7)));
  const reader = server.start();
  stream.say(late.subarray(7));
  await stream.drained();
  deepEqual([...server.settings.values], [["a", "1"], ["b", "2"]]);
  throws(() => server.preload(new Uint8Array(LARGE_BUFFER_BYTES + 1)), AssertionFailure);
  server.close();
  await reader;
});

Deno.test("ServerConnection tells its holder how it ended, and no longer the pool", async () => {
  const { server, stream, ends, reader } = idle();
  const sink = new Collector();
  server.setSink(sink);
  const undone: string[] = [];
  server.owed.sent(Owed.Query);
  server.owed.local(Owed.Close, { done() {}, undo: () => undone.push("undone") });
  stream.end();
  await reader;
  equal(sink.error?.code, "server_lost");
  deepEqual([ends.length, server.sink, undone], [0, null, ["undone"]]);
  equal(server.owed.settled, true);
});

Deno.test("ServerConnection tells of trouble when it ends by itself, whoever holds it, or its server takes another role", async () => {
  for (const held of [false, true]) {
    const { server, stream, reader } = idle();
    let troubles = 0;
    server.onTrouble(() => troubles++);
    stream.say(encodeParameterStatus("in_hot_standby", "off"), encodeParameterStatus("TimeZone", "CET"));
    await stream.drained();
    equal(troubles, 1);
    if (held) server.setSink(new Collector());
    stream.end();
    await reader;
    equal(troubles, 2);
  }
  const { server, reader } = idle();
  server.onTrouble(() => ok(false, "it was closed from here"));
  server.close();
  await reader;
});

Deno.test("ServerConnection passes on what its holder said that the server said last", async () => {
  const { server, stream, reader } = idle();
  const sink = new Collector();
  server.setSink(sink);
  server.noteFatal(new PgplexError("server_lost", "terminating connection", { sqlstate: "57P01" }));
  stream.end();
  await reader;
  equal(sink.error?.sqlstate, "57P01");
});

Deno.test("ServerConnection hears the server's last words that came with the last reply to who has let go since", async () => {
  const lastWords = encodeError("FATAL", new PgplexError("server_lost", "bye", { sqlstate: "57P01" }));
  for (const how of ["end", "reset"]) {
    for (const next of ["nobody", "another"]) {
      const { server, stream, ends, reader } = idle();
      const another = new Collector();
      const task = runQuery(server, "SELECT 1" as BinaryString).then(() => {
        if (next === "another") {
          void runQuery(server, "SELECT 2" as BinaryString).catch((error) => another.error = error);
        }
      });
      stream.say(joined(encodeReadyForQuery(TxStatus.Idle), lastWords));
      if (how === "end") stream.end();
      else stream.fail(new Deno.errors.ConnectionReset("reset"));
      await task;
      await reader;
      equal((next === "another" ? another.error : ends[0])?.sqlstate, "57P01", `${next} heard it, ${how}`);
    }
  }
});

Deno.test("ServerConnection that ends in the middle of a message hands no more of it to its sink", async () => {
  const { server, stream, reader } = idle();
  const sink = new Collector();
  server.setSink(sink);
  stream.say(encodeBack(0x44, Uint8Array.of(1)), encodeBack(0x44, Uint8Array.of(2)).subarray(0, 5));
  stream.end();
  await reader;
  deepEqual([sink.messages.length, sink.error?.code], [1, "server_lost"]);
});

Deno.test("ServerConnection.cut ends it as if the server had said why, also one that waits for nobody", async () => {
  for (const held of [true, false]) {
    const { server, ends, reader } = idle();
    const sink = new Collector();
    if (held) server.setSink(sink);
    server.cut(new PgplexError("node_lost", "n1 is down"));
    server.cut(new PgplexError("node_lost", "again"));
    await reader;
    deepEqual([sink.error?.message, ends.length], held ? ["n1 is down", 0] : [undefined, 1]);
  }
});

Deno.test("ServerConnection.close says Terminate when nothing is owed, and releases every statement", async () => {
  const { server, stream, statements, ends, reader } = idle();
  const statement = statements.use("SELECT 1\0\0\0");
  server.prepared.add(statement);
  statements.release(statement);
  server.close();
  server.close();
  await reader;
  deepEqual(stream.taken(), encodeTerminate());
  deepEqual([stream.closed, server.closed, ends.length, statements.size], [true, true, 0, 0]);
});

Deno.test("ServerConnection.close in the middle of a statement says nothing", async () => {
  const { server, stream, reader } = idle();
  server.owed.sent(Owed.Query);
  server.close();
  await reader;
  deepEqual([stream.written.length, stream.closed], [0, true]);
});

Deno.test("ServerConnection.close does not wait for a server that reads nothing", async () => {
  const { server, stream, buffers, reader } = idle();
  const stall = Promise.withResolvers<void>();
  stream.stalled = stall.promise;
  server.close();
  await reader;
  equal(stream.closed, true);
  stall.resolve();
  await server.out.flush();
  equal(buffers.lent, 0);
});

Deno.test("parameterAt reads name and value, and refuses a body without both", () => {
  deepEqual(parameterAt(bytesOf("xa\0b\0"), 1, 5), ["a", "b"]);
  deepEqual(parameterAt(bytesOf("\0\0"), 0, 2), ["", ""]);
  for (const body of ["", "a", "a\0", "a\0b"]) {
    throws(() => parameterAt(bytesOf(body), 0, body.length), { code: "server_protocol" });
  }
});

Deno.test("serverError keeps SQLSTATE, message, detail and hint, read as UTF-8", () => {
  const body = bytesOf("VERROR\0C23505\0Md\xc3\xa9j\xc3\xa0\0DKey\0Hdo\0Fnbtinsert.c\0\0");
  const error = serverError(body, 0, body.length);
  deepEqual([error.sqlstate, error.message, error.extra.detail, error.extra.hint], [
    "23505",
    "déjà",
    "Key",
    "do",
  ]);
  equal(serverError(new Uint8Array(1), 0, 1).sqlstate, "58000");
});
