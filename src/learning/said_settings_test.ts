import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { assignedIn, sqlTraits } from "../protocol/mod.ts";
import { SaidSettings } from "./said_settings.ts";

/** In the midst of a buffer. */
const at = (text: string) => {
  const bytes = new TextEncoder().encode(`'a.b'${text}'c'`);
  return [bytes, 5, bytes.length - 3] as const;
};
const reading = { isKnown: true, mayName: true };
const said = (text: string, over = {}) =>
  new SaidSettings(text, ...at(text), sqlTraits(text), { ...reading, ...over });

Deno.test("SaidSettings has what a text says of settings", () => {
  const { settings, guessed, strange } = said(
    "SELECT set_config('app.a', '7', false), app.put('My.Name', 'x')",
  );
  deepEqual([settings, guessed, strange], [["app.a", "my.name"], ["app.a", "my.name"], false]);
  deepEqual(said("SELECT app.put('my.name')", { mayName: false }).guessed, []);
  equal(said("SELECT set_config('app' || '.a', '7', false)").strange, true);
  deepEqual(said("SET app.a = 'other.name'").settings, ["app.a"]);
  // One that is new may read it as well.
  deepEqual(said("SET app.a = 'other.name'", { isKnown: false }).guessed, ["other.name"]);
});

Deno.test("SaidSettings.holdsFor no other text unless that says the same, but for its value", () => {
  const values = ["7", "acme", "a-b", "bob.smith", "pgplex.x", "it''s", "", "a\\b"];
  const texts = [
    (value: string) => `SELECT set_config('app.tenant', '${value}', true)`,
    (value: string) => `SELECT set_config('${value}', '7', false)`,
    (value: string) => `SELECT set_config('app.a', current_setting('${value}', true), false)`,
    (value: string) => `SET app.tenant = '${value}'`,
    (value: string) => `SET app.tenant = E'${value}'`,
    (value: string) => `SELECT app.put('${value}')`,
    (value: string) => `SELECT app.put('set ${value} = 1')`,
  ];
  let others = 0;
  for (const text of texts) {
    for (const before of values) {
      const known = said(text(before));
      equal(known.holdsFor(...at(text(before))), true, text(before));
      for (const value of values) {
        if (!known.holdsFor(...at(text(value)))) continue;
        if (value !== before) others++;
        const anew = said(text(value));
        deepEqual(
          [known.settings, known.guessed, known.strange, known.valueIn(...at(text(value)))],
          [anew.settings, anew.guessed, anew.strange, assignedIn(text(value))],
          text(value),
        );
      }
    }
  }
  equal(others > 0, true);
});

Deno.test("SaidSettings.holdsFor nothing where it was read for the first time, or of a long text", () => {
  const long = `SELECT set_config('app.a', '${"7".repeat(600)}', true)`;
  equal(said(long).holdsFor(...at(long)), false);
  const text = "SELECT set_config('app.a', '7', true)";
  equal(said(text, { isKnown: false }).holdsFor(...at(text)), false);
});
