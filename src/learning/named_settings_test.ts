import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NamedSettings } from "./named_settings.ts";

Deno.test("NamedSettings.readsOtherwise until what the server has is known, of what is reported until that is answered", () => {
  const named = new NamedSettings();
  const seen = () => [named.readsOtherwise(false), named.readsOtherwise(true)];
  named.text("SELECT set_it('DateStyle', 'German')");
  deepEqual(seen(), [true, false]);
  named.parameters("array_nulls\0off");
  deepEqual(seen(), [true, true]);
  named.text("SELECT 1");
  deepEqual(seen(), [true, true]);
  named.begin();
  deepEqual(seen(), [false, false]);
});

Deno.test("NamedSettings.tempBuffers is about the last text, or its parameters", () => {
  const named = new NamedSettings();
  named.text("SELECT set_config('temp_buffers', '2MB', false)");
  equal(named.tempBuffers, true);
  named.text("SELECT set_config($1, $2, false)");
  equal(named.tempBuffers, false);
  named.parameters("temp_buffers\x002MB");
  equal(named.tempBuffers, true);
});

Deno.test("NamedSettings.seed from where set_config may take it on", () => {
  const named = new NamedSettings();
  named.text("INSERT INTO shop VALUES ('seed')");
  named.text("SELECT set_config('app.seed', 'x', false)");
  named.parameters("\0\0\0\x05seeds");
  equal(named.seed, false);
  named.parameters("\0\x02\0\0\0\x04Seed\0\0\0\x030.5");
  named.text("SELECT 1");
  named.begin();
  equal(named.seed, true);
  const other = new NamedSettings();
  other.text("SELECT pg_catalog.set_config('Seed', '0.5', true)");
  equal(other.seed, true);
});
