import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { decodeErrorFields, encodeErrorFields, endsConnection, severityOf } from "./error_fields.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const decode = (text: string) => decodeErrorFields(bytesOf(text), 0, text.length);

Deno.test("decodeErrorFields reads each field by its letter, bytes as they are", () => {
  const fields = decode(
    "SFEHLER\0" + // severity, translated
      "VERROR\0" + // severity, not translated
      "C42P01\0" + // SQLSTATE
      "Mrelation \xe4 does not exist\0" + // message, in Latin-1
      "\0", // end of the fields
  );
  deepEqual([...fields], [["S", "FEHLER"], ["V", "ERROR"], ["C", "42P01"], [
    "M",
    "relation \xe4 does not exist",
  ]]);
});

Deno.test("decodeErrorFields leaves out a field that is cut off", () => {
  deepEqual([...decode("C42P01\0Mrelat")], [["C", "42P01"]]);
  deepEqual([...decode("M")], []);
  deepEqual([...decode("")], []);
});

Deno.test("severityOf prefers the field that is never translated, which PostgreSQL sends since 9.6", () => {
  equal(severityOf(decode("SFATAL\0VPANIC\0\0")), "PANIC");
  equal(severityOf(decode("SFATAL\0\0")), "FATAL");
  equal(severityOf(decode("\0")), "ERROR");
});

Deno.test("endsConnection holds for FATAL and PANIC alone", () => {
  for (const severity of ["FATAL", "PANIC"]) equal(endsConnection(decode(`V${severity}\0\0`)), true);
  for (const severity of ["ERROR", "WARNING", "NOTICE", ""]) {
    equal(endsConnection(decode(`V${severity}\0\0`)), false);
  }
});

Deno.test("decodeErrorFields reads only what lies between start and end, and never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), fc.nat(60), (bytes, start, length) => {
    const end = Math.min(bytes.length, start + length);
    const alone = bytes.slice(Math.min(start, end), end);
    deepEqual(
      [...decodeErrorFields(bytes, Math.min(start, end), end)],
      [...decodeErrorFields(alone, 0, alone.length)],
    );
  }));
});

Deno.test("encodeErrorFields makes what decodeErrorFields reads, in the same order", () => {
  const fields = new Map([["S", "ERROR"], ["C", "08P01"], ["M", "no \xe9"]]);
  const message = encodeErrorFields(fields);
  deepEqual([message[0], [...decodeErrorFields(message, 5, message.length)]], [0x45, [...fields]]);
});
