import { deepStrictEqual as deepEqual } from "node:assert/strict";
import fc from "fast-check";
import * as frontend from "../../tests/harness/frontend.ts";
import { binaryFromUtf8 } from "./bytes.ts";
import {
  encodeBind,
  encodeClosePortal,
  encodeCloseStatement,
  encodeExecute,
  encodeFront,
  encodeParse,
  encodeQuery,
  encodeSync,
  encodeTerminate,
} from "./frontend_writer.ts";
import { Front } from "./types.ts";

const bytesOf = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...part].map((character) => character.charCodeAt(0))
    ),
  );

// deno-fmt-ignore
Deno.test("the frontend writers lay each message out as the protocol chapter says", () => {
  deepEqual(encodeQuery("SELECT 1"), bytesOf(
    "Q",                    // type
    0, 0, 0, 13,            // length: itself, text and NUL
    "SELECT 1", 0,          // text
  ));
  deepEqual(encodeParse("s", "SELECT 2"), bytesOf(
    "P",                    // type
    0, 0, 0, 17,            // length
    "s", 0,                 // name of the statement
    "SELECT 2", 0,          // text
    0, 0,                   // number of parameter types
  ));
  deepEqual(encodeBind("s", ["ab", null]), bytesOf(
    "B",                    // type
    0, 0, 0, 23,            // length
    0,                      // name of the portal: the unnamed one
    "s", 0,                 // name of the statement
    0, 0,                   // number of parameter formats: all text
    0, 2,                   // number of parameters
    0, 0, 0, 2, "ab",       // first one: length and bytes
    255, 255, 255, 255,     // second one: NULL
    0, 0,                   // number of result formats: all text
  ));
  deepEqual(encodeExecute(), bytesOf(
    "E",                    // type
    0, 0, 0, 9,             // length
    0,                      // name of the portal
    0, 0, 0, 0,             // no limit of rows
  ));
  deepEqual(encodeCloseStatement("s"), bytesOf(
    "C",                    // type
    0, 0, 0, 7,             // length
    "S",                    // a statement, not a portal
    "s", 0,                 // its name
  ));
  deepEqual(encodeSync(), bytesOf("S", 0, 0, 0, 4));
  deepEqual(encodeTerminate(), bytesOf("X", 0, 0, 0, 4));
  deepEqual(encodeFront(Front.Password, Uint8Array.of(1, 2)), bytesOf("p", 0, 0, 0, 6, 1, 2));
});

Deno.test("the frontend writers agree with the tests' own builders for any texts", () => {
  const text = fc.string({ maxLength: 400 }).map((value) => value.replaceAll("\0", ""));
  fc.assert(fc.property(text, text, fc.array(fc.option(text), { maxLength: 5 }), (name, sql, values) => {
    const [binaryName, binarySql] = [binaryFromUtf8(name), binaryFromUtf8(sql)];
    deepEqual(encodeQuery(binarySql), frontend.query(sql));
    deepEqual(encodeParse(binaryName, binarySql), frontend.parse(sql, { name }));
    deepEqual(encodeCloseStatement(binaryName), frontend.close("S", name));
    const binaryValues = values.map((value) => value === null ? null : binaryFromUtf8(value));
    deepEqual(encodeBind(binaryName, binaryValues), frontend.bind({ statement: name, values }));
    deepEqual(
      encodeBind(binaryName, binaryValues, binaryName),
      frontend.bind({ portal: name, statement: name, values }),
    );
    deepEqual(encodeExecute(binaryName), frontend.execute({ portal: name }));
    deepEqual(encodeClosePortal(binaryName), frontend.close("P", name));
  }));
});
