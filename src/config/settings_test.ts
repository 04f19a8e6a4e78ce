import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { SETTINGS } from "./settings.ts";
import { formatValue, parseValue } from "./value.ts";

Deno.test("each row of SETTINGS has a sentence and a default that its own type takes", () => {
  for (const { path, doc, type, default: value } of SETTINGS) {
    ok(/^[A-Z].*\.$/.test(doc), `${path}: ${doc}`);
    if (value.kind !== "value" || type.kind === "group") continue;
    const text = type.kind === "texts" || value.value === null ? value.value : formatValue(type, value.value);
    const raw = type.kind === "integer" ? Number(text) : text;
    deepEqual(parseValue(type, raw), { value: value.value }, path);
  }
});
