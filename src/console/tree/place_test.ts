import { deepStrictEqual as deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { lexStatements } from "../command/mod.ts";
import { formatPlace } from "./place.ts";

Deno.test("formatPlace writes a path that the lexer reads back", () => {
  const unit = fc.oneof(
    fc.constantFrom("a", "-", '"', ".", "1"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  );
  fc.assert(fc.property(fc.array(fc.string({ unit, minLength: 1 }), { minLength: 1 }), (path) => {
    const [statement] = lexStatements(formatPlace(path));
    const [token] = statement!.tokens;
    deepEqual(token?.kind === "name" && token.parts.map(({ text }) => text), path);
  }));
});
