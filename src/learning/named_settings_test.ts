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

Deno.test("NamedSettings.rounds: a number of more digits than SHOW has may be what a real setting is", () => {
  const before = new Map([["seq_page_cost", "1000"], ["random_page_cost", "1.1"]]);
  const rounds = (text: string, reals: Record<string, string>) => {
    const named = new NamedSettings();
    named.text(text);
    return named.rounds(new Map(Object.entries(reals)), before);
  };
  for (const number of ["1000.004", "'123456.4'", "0.01234567", "1_000.004", "'0x1.00001p0'", "1000004e-3"]) {
    equal(rounds(`SET SEQ_page_cost = ${number}`, { seq_page_cost: "1000" }), true, number);
  }
  for (const number of ["1000", "1.5", "0.000001", "123456", "12.5e-10"]) {
    equal(rounds(`SET seq_page_cost = ${number}`, { seq_page_cost: "1000" }), false, number);
  }
  equal(rounds("SET work_mem = 1048576", { random_page_cost: "1.1" }), false, "it is as it was");
  equal(rounds("SELECT f(1000.004)", { seq_page_cost: "1001" }), true, "it came with a change");
  equal(rounds("SET seq_page_cost = 1000.004", {}), false, "it was taken back");
});

Deno.test("NamedSettings.rounds until the setting is another, by parameters too", () => {
  const named = new NamedSettings();
  const real = (shown: string) => new Map([["seq_page_cost", shown]]);
  named.parameters("\0\x0dseq_page_cost\0\x081000.004");
  equal(named.rounds(real("1000"), new Map()), true);
  named.begin();
  equal(named.rounds(real("1000"), real("1000")), true);
  equal(named.rounds(real("7"), real("1000")), false);
  equal(named.rounds(real("1000"), real("7")), false);
});
