import { strictEqual as equal } from "node:assert/strict";
import { KeptSamples, Labelled } from "./kept_samples.ts";

const LABELS = ['{database="a"}', '{database="\u20ac\u{1f418}",user="b"}', "", '{database="c"}'];

/** The same, written anew. */
function anew(values: readonly (number | null)[]): string {
  return values.map((value, i) => value === null ? "" : `metric${LABELS[i]} ${value}\n`).join("");
}

Deno.test("KeptSamples' text is that of the values, whatever they were before", () => {
  const kept = new KeptSamples("metric", new Labelled(LABELS));
  for (
    const values of [
      [null, null, null, null],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [9, 1, 255, 3],
      [9, 256, 254, 3],
      [9, null, 254, 0.125],
      [9, null, 254, 12345],
      [null, -1, 254, 54321],
      [-1.2345678901234567e-300, -1.2345678901234567e-300, 1e21, Number.MIN_VALUE],
      [null, null, null, 1],
      [7, null, null, null],
    ]
  ) {
    equal(new TextDecoder().decode(kept.text((i) => values[i]!)), anew(values), values.join());
  }
});

Deno.test("KeptSamples' text is right after any number of changes of a few values each", () => {
  const kept = new KeptSamples("metric", new Labelled(LABELS));
  const values: (number | null)[] = [0, 0, 0, 0];
  const CHOICES = [null, 0, 9, 10, 99, 100, 255, 256, 1e6, 0.5, -1];
  for (let i = 0; i < 2000; i++) {
    values[i * 7 % 4] = CHOICES[i * 31 % 11]!;
    if (i % 3 === 0) values[i % 4] = CHOICES[i * 17 % 11]!;
    equal(new TextDecoder().decode(kept.text((index) => values[index]!)), anew(values), `${i}: ${values}`);
  }
});

Deno.test("KeptSamples of nothing has no text", () => {
  equal(new KeptSamples("metric", new Labelled([])).text(() => 1).length, 0);
});
