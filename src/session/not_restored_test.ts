import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { notRestored } from "./not_restored.ts";

/** What is heard, and what the session has behind it, where this failed in front of its message. */
function heard(next: string | null, sqlstate: string): [code: string, sqlstate: string, names: string[]] {
  const told = {
    current: Settings.from([["app.a", "1"], ["app.b", "2"]]),
    loses: (name: string) => {
      told.current = told.current.without(name);
      return false;
    },
  };
  const error = new PgplexError("restore_failed", "no", { sqlstate });
  const { code, sqlstate: state } = notRestored({ ahead: { next } }, told, error);
  return [code, state, [...told.current.values.keys()]];
}

Deno.test("notRestored leaves the session without the setting that the server does not take", () => {
  deepEqual(heard("app.a", "42602"), ["settings_lost", "42602", ["app.b"]]);
});

Deno.test("notRestored leaves the session as it was where nothing is wrong with a setting", () => {
  deepEqual(heard("app.a", "57014"), ["restore_failed", "57014", ["app.a", "app.b"]]);
  deepEqual(heard(null, "53200"), ["restore_failed", "53200", ["app.a", "app.b"]]);
});

Deno.test("notRestored says of any other end what was said", () => {
  const told = { current: Settings.none, loses: () => false };
  const lost = new PgplexError("server_lost", "gone");
  equal(notRestored({ ahead: { next: "app.a" } }, told, lost), lost);
  equal(notRestored(null, told, lost), lost);
});
