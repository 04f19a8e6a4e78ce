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
