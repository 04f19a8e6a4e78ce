import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { customSettingsIn, literalsLikeSettings, namesWhatItSets } from "./sql_traits.ts";
import { TextShape } from "./text_shape.ts";

const encoder = new TextEncoder();
/** In the midst of a buffer. */
const put = (text: string) => encoder.encode(`'a.b'${text}'c'`);
const at = (bytes: Uint8Array) => [bytes, 5, bytes.length - 3] as const;
const fits = (text: string, other: string) => new TextShape(...at(put(text))).fits(...at(put(other)));

Deno.test("TextShape.fits texts that differ in literals of letters, digits and hyphens, of one kind", () => {
  const text = (value: string) => `SELECT set_config('app.tenant', '${value}', true)`;
  equal(fits(text("7"), text("7")), true);
  equal(fits(text("7"), text("12345")), true);
  equal(fits(text("7"), text("")), true);
  equal(fits(text("7"), text("0b5e-44")), true);
  equal(fits(text("acme"), text("Umbrella2")), true);
  equal(fits(text("acme"), text("7")), false);
  equal(fits(text("acme"), text("acme-1")), false);
  equal(fits(text("bob.smith"), text("bob.smith")), true);
  for (const other of ["bob.smyth", "bob smith", "bob_smith", "bob", "it''s", "b\u00f6b"]) {
    equal(fits(text("bob.smith"), text(other)), false, other);
    equal(fits(text("bob"), text(other)), other === "bob", other);
  }
});

Deno.test("TextShape.fits no text that is longer, shorter, or another outside of its literals", () => {
  equal(fits("SELECT 'a'", "SELECT 'a' "), false);
  equal(fits("SELECT 'a' ", "SELECT 'a'"), false);
  equal(fits("SELECT 'a'", "select 'a'"), false);
  equal(fits("SELECT 'a'", "SELECT 'a"), false);
  equal(fits("SELECT ''", "SELECT "), false);
  equal(fits("", ""), true);
});

const PIECES = [
  ..."'\"(),=;.$ ",
  ...[
    "set_config",
    "SET_CONFIG(",
    "current_setting(",
    "set ",
    "session ",
    "show ",
    "to ",
    "--",
    "\u00e4",
    "\\",
  ],
  ...["a", "b", "app", "x1", "1", "-", "_", "a.b", "app.x", "'a'", "'1'", "'a.b'", "''", "$$", "e'"],
];

Deno.test("texts that a TextShape fits name the same settings, in the same way", () => {
  const piece = fc.constantFrom(...PIECES);
  const value = fc.stringMatching(/^[A-Za-z0-9-]{0,4}$/);
  // What differs stands in quotes, or nearly so.
  const part = fc.oneof(
    piece.map((text) => [text, text] as const),
    fc.tuple(value, value).map(([a, b]) => [`'${a}'`, `'${b}'`] as const),
    fc.tuple(piece, piece).map(([a, b]) => [`'${a}`, `'${b}`] as const),
  );
  let fitted = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
      const [a, b] = [parts.map(([text]) => text).join(""), parts.map(([, text]) => text).join("")];
      if (!fits(a, b)) return;
      if (a !== b) fitted++;
      deepEqual(customSettingsIn(a), customSettingsIn(b));
      deepEqual(literalsLikeSettings(a), literalsLikeSettings(b));
      equal(namesWhatItSets(a), namesWhatItSets(b));
    }),
    { numRuns: 5000 },
  );
  equal(fitted > 100, true, `${fitted} that differ`);
});
