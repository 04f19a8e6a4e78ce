import assert from "node:assert/strict";
import { decodeBackend, type WireMessage } from "./backend_messages.ts";
import { concat, cstring, int16, int32, int8, text } from "./frontend.ts";
import { readAgain } from "./second_reading.ts";

/** A message of each type of which both decoders read fields, and one field as it is not. */
const MISREAD: readonly [type: string, body: Uint8Array, change: Partial<WireMessage>][] = [
  ["A", concat([int32(7), cstring("news"), cstring("x")]), {
    notification: { pid: 8, channel: "news", payload: "x" },
  }],
  ["C", cstring("SELECT 1"), { tag: "SELECT 2" }],
  ["D", concat([int16(2), int32(-1), int32(0)]), { values: [null, null] }],
  ["E", concat([cstring("SERROR"), cstring("C42601"), text("\0")]), { fields: { S: "ERROR", C: "42602" } }],
  ["K", concat([int32(7), int32(5)]), { key: { pid: 7, secret: int32(6) } }],
  ["N", concat([cstring("SNOTICE"), cstring("Hwait"), text("\0")]), { fields: { S: "NOTICE" } }],
  ["R", concat([int32(5), text("salt")]), { auth: { code: 5, data: text("sold") } }],
  ["R", concat([int32(10), cstring("SCRAM-SHA-256"), text("\0")]), {
    auth: { code: 10, data: cstring("MD5") },
  }],
  ["S", concat([cstring("TimeZone"), cstring("UTC")]), { parameter: { name: "TimeZone", value: "GMT" } }],
  ["T", concat([int16(1), cstring("a"), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]), {
    columns: ["b"],
  }],
  ["Z", text("I"), { status: "T" }],
  ["t", concat([int16(1), int32(25)]), { types: [23] }],
];

Deno.test("decodeBackend reads what pg-protocol reads, and a difference is found in each type", () => {
  for (const [type, body, change] of MISREAD) {
    const misread = { ...decodeBackend(type, body), ...change };
    assert.throws(() => readAgain(misread), / to the harness, .* to pg-protocol$/, type);
  }
  for (const type of "123IWcdns") decodeBackend(type, new Uint8Array(0));
  for (const type of "GH") decodeBackend(type, concat([int8(0), int16(1), int16(0)]));
});

Deno.test("decodeBackend reads numbers of types without a sign, and keeps a byte order mark", () => {
  assert.deepEqual(decodeBackend("t", concat([int16(1), int32(0xfffffff0 | 0)])).types, [0xfffffff0]);
  assert.deepEqual(decodeBackend("D", concat([int16(1), int32(3), text("\ufeff")])).values, ["\ufeff"]);
});

Deno.test("decodeBackend reads alone what pg-protocol does not know", () => {
  assert.equal(decodeBackend("R", int32(9)).auth!.code, 9);
  assert.deepEqual(decodeBackend("v", concat([int32(2), int32(1), cstring("_pq_.x")])).negotiated, {
    version: 2,
    unknown: ["_pq_.x"],
  });
  const key = concat([int32(7), text("0123456789abcdef0123456789abcdef")]);
  assert.equal(decodeBackend("K", key).key!.secret.length, 32);
});
