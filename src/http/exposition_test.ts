import { strictEqual as equal } from "node:assert/strict";
import { Histogram } from "../telemetry/mod.ts";
import { Exposition, formOf, Labelled, labelsOf } from "./exposition.ts";

const textOf = (out: Exposition) => new TextDecoder().decode(out.end());

Deno.test("Exposition writes counters with _total, and in OpenMetrics their family without and an end", () => {
  const write = (form: "prometheus" | "openmetrics") => {
    const out = new Exposition(form);
    out.family("a_things", "counter", "Things.");
    out.sample("a_things_total", labelsOf([["x", "1"]]), 2);
    return textOf(out);
  };
  equal(
    write("prometheus"),
    '# HELP a_things_total Things.\n# TYPE a_things_total counter\na_things_total{x="1"} 2\n',
  );
  equal(
    write("openmetrics"),
    '# HELP a_things Things.\n# TYPE a_things counter\na_things_total{x="1"} 2\n# EOF\n',
  );
});

Deno.test("Exposition adds a histogram's buckets up, and its count is that of the last one", () => {
  const histogram = new Histogram();
  for (const ms of [0.1, 1, 1, 1e9]) histogram.record(ms);
  const out = new Exposition("openmetrics");
  out.histogram("h_seconds", labelsOf([["cluster", "main"]]), histogram);
  const text = textOf(out);
  for (
    const line of [
      'h_seconds_bucket{cluster="main",le="0.000125"} 1',
      'h_seconds_bucket{cluster="main",le="0.001"} 3',
      'h_seconds_bucket{cluster="main",le="65.536"} 3',
      'h_seconds_bucket{cluster="main",le="+Inf"} 4',
      'h_seconds_count{cluster="main"} 4',
      'h_seconds_sum{cluster="main"} 1000000.0021',
    ]
  ) equal(text.includes(`${line}\n`), true, line);
});

Deno.test("labelsOf escapes what would end a label", () => {
  equal(labelsOf([]), "");
  equal(labelsOf([["a", 'x"\\\n'], ["b", "y"]]), '{a="x\\"\\\\\\n",b="y"}');
});

Deno.test("formOf gives OpenMetrics to who asks for it", () => {
  equal(formOf("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5"), "openmetrics");
  equal(formOf("text/plain"), "prometheus");
  equal(formOf(null), "prometheus");
});

Deno.test("Exposition keeps every line of a long text, whatever its characters", () => {
  const out = new Exposition("prometheus");
  const labels = ["a", "\u00e4", "\u20ac", "\u{1f418}"].map((name) =>
    labelsOf([["database", name.repeat(50)]])
  );
  let expected = "";
  for (let i = 0; i < 5000; i++) {
    out.sample("metric", labels[i % 4]!, i);
    expected += `metric${labels[i % 4]} ${i}\n`;
  }
  equal(textOf(out), expected);
});

Deno.test("Exposition.samples writes what sample does, also where a first value is missing and while the text grows", () => {
  const labels = Array.from(
    { length: 2000 },
    (_, i) => labelsOf([["database", "\u20ac".repeat(i % 7)], ["n", `${i}`]]),
  );
  const things = new Labelled(labels);
  const valueOf = (metric: number) => (i: number) =>
    i % 3 === metric ? null : i % 5 === 0 ? i / 8 : i % 11 === 0 ? -1 : i;
  const out = new Exposition("openmetrics", 100);
  let expected = "";
  for (let metric = 0; metric < 4; metric++) {
    out.family(`m${metric}`, "gauge", "M.");
    out.samples(`m${metric}`, things, valueOf(metric));
    expected += `# HELP m${metric} M.\n# TYPE m${metric} gauge\n`;
    for (let i = 0; i < labels.length; i++) {
      const value = valueOf(metric)(i);
      if (value !== null) expected += `m${metric}${labels[i]} ${value}\n`;
    }
  }
  equal(textOf(out), expected + "# EOF\n");
});
