import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { isReadOnly } from "./read_only.ts";

const NAME = "default_transaction_read_only";
const baseOf = (params: [string, string][]) => ({ key: JSON.stringify(params), params: new Map(params) });

Deno.test("isReadOnly believes what the server reports before what the startup packet says", () => {
  const base = baseOf([[NAME, "on"]]);
  equal(isReadOnly(Settings.from([[NAME, "off"]]), base), false);
  equal(isReadOnly(Settings.from([[NAME, "on"]]), baseOf([])), true);
});

Deno.test("isReadOnly reads the startup packet where servers report nothing of it", () => {
  const params: [string, string][][] = [
    [[NAME, "on"]],
    [[NAME, "TRUE"]],
    [["options", `-c ${NAME}=yes -c jit=off`]],
    [["options", "--default-transaction-read-only=1"]],
    [],
    [[NAME, "off"]],
    [["options", `-c ${NAME}=off`]],
  ];
  deepEqual(params.map((params) => isReadOnly(null, baseOf(params))), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
