import { strictEqual as equal } from "node:assert/strict";
import { Histogram } from "../telemetry/mod.ts";
import { Exposition, type Form, formOf, labelsOf } from "./exposition.ts";

const begun = (form: Form) => {
  const out = new Exposition();
  out.begin(form);
  return out;
};
const textOf = (out: Exposition) => new TextDecoder().decode(out.end());

Deno.test("Exposition writes counters with _total, and in OpenMetrics their family without and an end", () => {
  const write = (form: "prometheus" | "openmetrics") => {
    const out = begun(form);
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
  const out = begun("openmetrics");
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
  const out = begun("prometheus");
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

Deno.test("Exposition writes lines that are bytes behind what was text, and forgets both where another text begins", () => {
  const out = begun("prometheus");
  const lines = new TextEncoder().encode('m{database="\u20ac"} 1\n'.repeat(9000));
  for (const form of ["prometheus", "openmetrics"] as const) {
    out.begin(form);
    out.family("m", "gauge", "M.");
    out.lines(lines);
    out.sample("n", "", 2);
    const end = form === "openmetrics" ? "# EOF\n" : "";
    equal(
      textOf(out),
      `# HELP m M.\n# TYPE m gauge\n${'m{database="\u20ac"} 1\n'.repeat(9000)}n 2\n${end}`,
    );
  }
});
