import { deepEqual } from "node:assert/strict";
import { Exposition, labelsOf } from "./exposition.ts";
import { feedMeter, type Meter, type Observable } from "./meters.ts";
import { Histogram } from "../telemetry/mod.ts";

/** Keeps what it is given, and collects when it is told to. */
class FakeMeter implements Meter {
  readonly made: string[] = [];
  readonly #names = new Map<Observable, string>();
  #observe: Parameters<Meter["addBatchObservableCallback"]>[0] = () => {};

  createObservableGauge = (name: string, { description }: { description: string }) =>
    this.#make("gauge", name, description);
  createObservableCounter = (name: string, { description }: { description: string }) =>
    this.#make("counter", name, description);

  addBatchObservableCallback(observe: Parameters<Meter["addBatchObservableCallback"]>[0]): void {
    this.#observe = observe;
  }

  collect(): unknown[] {
    const seen: unknown[] = [];
    this.#observe({
      observe: (of, value, attributes) => seen.push([this.#names.get(of), value, attributes]),
    });
    return seen;
  }

  #make(kind: string, name: string, description: string): Observable {
    this.made.push(`${kind} ${name}: ${description}`);
    const made = {};
    this.#names.set(made, name);
    return made;
  }
}

Deno.test("a meter gets each gauge and each counter with its labels, as they are when it collects", () => {
  let clients = 3;
  const meter = new FakeMeter();
  feedMeter(meter, () => {
    const out = new Exposition();
    out.begin("prometheus");
    out.family("clients", "gauge", "Clients there are.");
    out.sample("clients", labelsOf([["database", 'a"b\\c\nd,e="f"'], ["user", ""]]), clients);
    out.family("accepted", "counter", "Clients there were.");
    out.sample("accepted_total", "", 7.5);
    return new TextDecoder().decode(out.end());
  });
  deepEqual(meter.made, ["gauge clients: Clients there are.", "counter accepted_total: Clients there were."]);
  for (clients of [3, 4]) {
    deepEqual(meter.collect(), [
      ["clients", clients, { database: 'a"b\\c\nd,e="f"', user: "" }],
      ["accepted_total", 7.5, {}],
    ]);
  }
});

Deno.test("a meter gets a histogram as counters: its buckets, its sum and its count", () => {
  const meter = new FakeMeter();
  const waits = new Histogram();
  waits.record(0.1);
  waits.record(1e9);
  feedMeter(meter, () => {
    const out = new Exposition();
    out.begin("prometheus");
    out.family("wait_seconds", "histogram", "Waits.");
    out.histogram("wait_seconds", labelsOf([["cluster", "main"]]), waits);
    return new TextDecoder().decode(out.end());
  });
  deepEqual(
    meter.made,
    ["bucket", "sum", "count"].map((part) => `counter wait_seconds_${part}: Waits.`),
  );
  const seen = meter.collect();
  deepEqual(seen[0], ["wait_seconds_bucket", 1, { cluster: "main", le: "0.000125" }]);
  deepEqual(seen.slice(-3), [
    ["wait_seconds_bucket", 2, { cluster: "main", le: "+Inf" }],
    ["wait_seconds_sum", (0.1 + 1e9) / 1000, { cluster: "main" }],
    ["wait_seconds_count", 2, { cluster: "main" }],
  ]);
});
