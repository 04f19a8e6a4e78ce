import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { decodeBackend } from "../../tests/harness/backend_messages.ts";
import {
  encodeBack,
  encodeBackendKeyData,
  encodeCommandComplete,
  encodeError,
  encodeNegotiation,
  encodeParameterStatus,
  encodeReadyForQuery,
  encodeTextColumn,
  encodeTextRow,
} from "./backend_writer.ts";
import { Back, TxStatus } from "./types.ts";

const bytesOf = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...part].map((character) => character.charCodeAt(0))
    ),
  );

// deno-fmt-ignore
Deno.test("the backend writers lay each message out as the protocol chapter says", () => {
  deepEqual(encodeParameterStatus("TimeZone", "UTC"), bytesOf(
    "S",                    // type
    0, 0, 0, 17,            // length
    "TimeZone", 0,          // name
    "UTC", 0,               // value
  ));
  deepEqual(encodeBackendKeyData(0x01020304, Uint8Array.of(5, 6, 7, 8)), bytesOf(
    "K",                    // type
    0, 0, 0, 12,            // length
    1, 2, 3, 4,             // process id
    5, 6, 7, 8,             // secret: four bytes in 3.0, up to 256 in 3.2
  ));
  deepEqual(encodeTextColumn("a.b", 1), bytesOf(
    "T",                    // type
    0, 0, 0, 28,            // length
    0, 1,                   // number of columns
    "a.b", 0,               // name
    0, 0, 0, 0,             // no table
    0, 0,                   // no attribute
    0, 0, 0, 25,            // type text
    255, 255,               // of any size
    255, 255, 255, 255,     // without a modifier
    0, 1,                   // format: binary
  ));
  deepEqual(encodeTextRow("ab"), bytesOf(
    "D",                    // type
    0, 0, 0, 12,            // length
    0, 1,                   // number of values
    0, 0, 0, 2,             // length of the value
    "ab",
  ));
  deepEqual(encodeCommandComplete("SHOW"), bytesOf(
    "C",                    // type
    0, 0, 0, 9,             // length
    "SHOW", 0,
  ));
  deepEqual(encodeReadyForQuery(TxStatus.Failed), bytesOf(
    "Z",                    // type
    0, 0, 0, 5,             // length
    "E",                    // in a failed transaction
  ));
  deepEqual(encodeNegotiation(2, ["_pq_.a", "_pq_.bc"]), bytesOf(
    "v",                    // type
    0, 0, 0, 27,            // length
    0, 3, 0, 2,             // newest protocol: 3.2
    0, 0, 0, 2,             // number of options that are not known
    "_pq_.a", 0,
    "_pq_.bc", 0,
  ));
  deepEqual(encodeBack(Back.Authentication, Uint8Array.of(0, 0, 0, 0)), bytesOf(
    "R",                    // type
    0, 0, 0, 8,             // length
    0, 0, 0, 0,             // AuthenticationOk
  ));
});

Deno.test("encodeError tells the public texts in UTF-8, and never the log's", () => {
  const error = new PgplexError("unknown_database", 'database "é" does not exist', {
    detail: "what is",
    hint: "what to do",
    log: "node 10.0.0.1",
    cause: new Error("secret"),
  });
  const message = encodeError("FATAL", error);
  equal(message[0], Back.ErrorResponse);
  const { fields } = decodeBackend("E", message.subarray(5));
  deepEqual(fields, {
    S: "FATAL",
    V: "FATAL",
    C: "3D000",
    M: 'database "é" does not exist',
    D: "what is",
    H: "what to do",
  });
  const bare = decodeBackend("E", encodeError("ERROR", new PgplexError("internal", "x")).subarray(5));
  deepEqual(bare.fields, { S: "ERROR", V: "ERROR", C: "XX000", M: "x" });
});
