import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { InvalidMessageLength, invalidType } from "./malformed.ts";

Deno.test("Messages that are none end the connection with protocol_violation, in PostgreSQL's words", () => {
  const errors = [new InvalidMessageLength(), invalidType(0x7a)];
  deepEqual(errors.map(({ code, message }) => `${code}: ${message}`), [
    "protocol_violation: invalid message length",
    "protocol_violation: invalid frontend message type 122",
  ]);
});
