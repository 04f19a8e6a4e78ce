/** What of OpenTelemetry's `Observable` is needed: nothing but its identity. */
export type Observable = object;

/** What of OpenTelemetry's `Meter` (API 1.9) is needed. */
export interface Meter {
  createObservableGauge(name: string, options: { description: string }): Observable;
  createObservableCounter(name: string, options: { description: string }): Observable;
  addBatchObservableCallback(
    observe: (
      result: {
        observe(instrument: Observable, value: number, attributes: Readonly<Record<string, string>>): void;
      },
    ) => void,
    instruments: Observable[],
  ): void;
}

/** `# HELP name text`, `# TYPE name kind`, or `name{labels} value`. */
const LINE = /^(?:# (HELP|TYPE) (\S+) (.*)|([^\s{]+)(?:\{(.*)\})? (\S+))$/gm;

/** One label, its value escaped. */
const LABEL = /([^=,]+)="((?:[^"\\]|\\.)*)"/g;

/**
 * Gives an OpenTelemetry meter what `/metrics` shows, whenever the meter collects. Names are those of Prometheus; a histogram, which no
 * instrument can be given whole, comes as its three counters.
 *
 * `text`: all metrics in Prometheus' own form. It has the same metrics each time.
 */
export function feedMeter(meter: Meter, text: () => string): void {
  const instruments = new Map<string, Observable>();
  let description = "";
  for (const [, comment, name, told] of text().matchAll(LINE)) {
    if (comment === "HELP") description = told!;
    if (comment !== "TYPE") continue;
    if (told === "gauge") instruments.set(name!, meter.createObservableGauge(name!, { description }));
    else {
      for (const one of told === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) {
        instruments.set(name! + one, meter.createObservableCounter(name! + one, { description }));
      }
    }
  }
  meter.addBatchObservableCallback((result) => {
    for (const [, comment, , , name, labels, value] of text().matchAll(LINE)) {
      if (comment !== undefined) continue;
      result.observe(instruments.get(name!)!, Number(value), attributesOf(labels ?? ""));
    }
  }, [...instruments.values()]);
}

function attributesOf(labels: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, value] of labels.matchAll(LABEL)) {
    attributes[name!] = value!.replaceAll(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return attributes;
}
