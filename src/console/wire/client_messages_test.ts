import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../../kernel/mod.ts";
import { decodeClientMessage, paramText } from "./client_messages.ts";

Deno.test("decodeClientMessage throws nothing but protocol errors, for any body", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }), (type, body) => {
    try {
      decodeClientMessage(type, body);
    } catch (thrown) {
      equal(thrown instanceof PgplexError && thrown.code, "protocol_violation");
    }
  }));
});

/** A message's body: texts end with NUL, numbers are bytes. */
function bodyOf(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "string" ? [...new TextEncoder().encode(part), 0] : part),
  );
}

const decoded = (type: string, ...parts: (string | number[])[]) =>
  decodeClientMessage(type.charCodeAt(0), bodyOf(...parts));

Deno.test("decodeClientMessage reads each message of the protocol", () => {
  deepEqual(decoded("Q", "SHOW é"), { kind: "query", text: "SHOW é" });
  deepEqual(decoded("P", "s", "SET a = $1", [0, 1, 0, 0, 0, 23]), {
    kind: "parse",
    name: "s",
    text: "SET a = $1",
    types: [23],
  });
  const values = [0, 2, 255, 255, 255, 255, 0, 0, 0, 1, 65];
  deepEqual(decoded("B", "p", "s", [0, 1, 0, 1], values, [0, 1, 0, 0]), {
    kind: "bind",
    portal: "p",
    statement: "s",
    formats: [1],
    values: [null, Uint8Array.of(65)],
    resultFormats: [0],
  });
  deepEqual(decoded("D", [0x53], "s"), { kind: "describe", target: "statement", name: "s" });
  deepEqual(decoded("C", [0x50], "p"), { kind: "close", target: "portal", name: "p" });
  deepEqual(decoded("E", "p", [0, 0, 1, 0]), { kind: "execute", portal: "p", rowsMax: 256 });
  deepEqual(decoded("E", "p", [255, 255, 255, 255]), { kind: "execute", portal: "p", rowsMax: 0 });
  const bare = { H: "flush", S: "sync", X: "terminate", F: "function_call", d: "copy", c: "copy", f: "copy" };
  for (const [type, kind] of Object.entries(bare)) deepEqual(decoded(type), { kind });
});

Deno.test("decodeClientMessage says what is wrong with a body, in PostgreSQL's words", () => {
  const refused = (message: string, type: string, ...parts: (string | number[])[]) =>
    throws(() => decoded(type, ...parts), { code: "protocol_violation", message });
  refused("invalid string in message", "Q", [65]);
  refused("invalid message format", "Q", "a", [65]);
  refused("insufficient data left in message", "E", "p", [0, 0]);
  refused("invalid DESCRIBE message subtype 65", "D", [65], "s");
  refused("invalid CLOSE message subtype 65", "C", [65], "s");
  refused("unsupported format code: 2", "B", "", "", [0, 1, 0, 2], [0, 0], [0, 0]);
  refused('invalid byte sequence for encoding "UTF8"', "Q", [0xff, 0]);
  refused("invalid frontend message type 122", "z");
});

Deno.test("paramText reads a value in the format and type that Bind and Parse say", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  equal(paramText(null, 0, 25), null);
  equal(paramText(bytes(0xc3, 0xa9), 0, 25), "é");
  equal(paramText(bytes(0xc3, 0xa9), 1, 25), "é");
  equal(paramText(bytes(1), 1, 16), "true");
  equal(paramText(bytes(0), 1, 16), "false");
  equal(paramText(bytes(255, 254), 1, 21), "-2");
  equal(paramText(bytes(255, 255, 255, 254), 1, 23), "-2");
  equal(paramText(bytes(255, 255, 255, 254), 1, 26), "4294967294");
  equal(paramText(bytes(255, 255, 255, 255, 255, 255, 255, 254), 1, 20), "-2");
  throws(() => paramText(bytes(1, 2, 3), 1, 23), { sqlstate: "22P03" });
  throws(() => paramText(bytes(65, 0), 0, 25), { sqlstate: "22021" });
});
