import { type Histogram, HISTOGRAM_BOUNDS } from "../telemetry/mod.ts";

/** The two forms in which Prometheus takes metrics: its own, and OpenMetrics 1.0. */
export type Form = "prometheus" | "openmetrics";

/** What the kinds of metrics are called; `info` is a gauge in Prometheus' own form. */
export type MetricKind = "gauge" | "counter" | "histogram";

/** The content type of each form. */
export const CONTENT_TYPES: Readonly<Record<Form, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The form that a scraper asks for. */
export function formOf(accept: string | null): Form {
  return accept?.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";
}

/** Characters that are collected before they become bytes: long enough to be worth a call, short enough to die young. */
const CHUNK_CHARS = 8192;

/** Ends of lines for the values that most samples have. */
const SMALL_ENDS: readonly string[] = Array.from({ length: 256 }, (_, value) => ` ${value}\n`);

/**
 * Writes metrics as text in UTF-8.
 *
 * Labels are made once for all metrics of a thing (by {@link labelsOf}), and so are most ends of lines: a line costs three concatenations,
 * and with a thousand pools there are some ten thousand.
 */
export class Exposition {
  readonly #form: Form;
  readonly #encoder = new TextEncoder();
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  #chunk = "";

  /** `bytesExpected`: how long it may become, so that it need not grow. */
  constructor(form: Form, bytesExpected = 64 * 1024) {
    this.#form = form;
    this.#bytes = new Uint8Array(bytesExpected);
  }

  /** Begins a metric, whose samples follow. A counter's name has no `_total` here; its samples get it. */
  family(name: string, kind: MetricKind, help: string): void {
    const named = kind === "counter" && this.#form === "prometheus" ? `${name}_total` : name;
    this.#put(`# HELP ${named} ${help}\n# TYPE ${named} ${kind}\n`);
  }

  /** One sample; `labels` as {@link labelsOf} makes them. */
  sample(name: string, labels: string, value: number): void {
    this.#put(name + labels + (SMALL_ENDS[value] ?? ` ${value}\n`));
  }

  /**
   * Samples of many things. Their labels become bytes in the first metric that has them, and are copied from there: strings of ten
   * thousand lines would be the most of what a scrape leaves for the collector. A value of null is left out.
   */
  samples(name: string, things: Labelled, valueOf: (index: number) => number | null): void {
    this.#encode();
    const { labels, starts, ends } = things;
    const named = this.#encoder.encode(name);
    for (let i = 0; i < labels.length; i++) {
      const value = valueOf(i);
      if (value === null) continue;
      const end = SMALL_ENDS[value] ?? ` ${value}\n`;
      this.#reserve(named.length + labels[i]!.length * 3 + end.length);
      const bytes = this.#bytes;
      bytes.set(named, this.#length);
      let at = this.#length + named.length;
      if (ends[i] === 0) {
        starts[i] = at;
        at = ends[i] = at + this.#encoder.encodeInto(labels[i]!, bytes.subarray(at)).written;
      } else {
        bytes.copyWithin(at, starts[i]!, ends[i]!);
        at += ends[i]! - starts[i]!;
      }
      for (let j = 0; j < end.length; j++) bytes[at++] = end.charCodeAt(j);
      this.#length = at;
    }
  }

  /** The samples of a histogram, in seconds. `labels` are not empty. */
  histogram(name: string, labels: string, { buckets, sumMs }: Histogram): void {
    const open = labels.slice(0, -1);
    let count = 0;
    buckets.forEach((inBucket, index) => {
      count += inBucket;
      const bound = HISTOGRAM_BOUNDS[index];
      this.sample(`${name}_bucket`, `${open},le="${bound === undefined ? "+Inf" : floatOf(bound)}"}`, count);
    });
    this.sample(`${name}_sum`, labels, sumMs / 1000);
    this.sample(`${name}_count`, labels, count);
  }

  /** The whole text. */
  end(): Uint8Array<ArrayBuffer> {
    if (this.#form === "openmetrics") this.#put("# EOF\n");
    this.#encode();
    return this.#bytes.subarray(0, this.#length);
  }

  #put(text: string): void {
    this.#chunk += text;
    if (this.#chunk.length >= CHUNK_CHARS) this.#encode();
  }

  #encode(): void {
    // A character takes three bytes at most, or four where it is two units.
    this.#reserve(this.#chunk.length * 3);
    this.#length += this.#encoder.encodeInto(this.#chunk, this.#bytes.subarray(this.#length)).written;
    this.#chunk = "";
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const longer = new Uint8Array(2 * needed);
    longer.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = longer;
  }
}

/** Things of which there are many, by their labels as {@link labelsOf} makes them; for one {@link Exposition}. */
export class Labelled {
  readonly labels: readonly string[];
  /** Where the bytes of each are in the text; an end of 0: nowhere yet. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;

  constructor(labels: readonly string[]) {
    this.labels = labels;
    this.starts = new Uint32Array(labels.length);
    this.ends = new Uint32Array(labels.length);
  }
}

/** `{name="value",…}`, escaped as both forms want it; nothing for no labels. */
export function labelsOf(labels: readonly (readonly [name: string, value: string])[]): string {
  if (labels.length === 0) return "";
  let text = "{";
  for (const [name, value] of labels) text += `${text === "{" ? "" : ","}${name}="${escape(value)}"`;
  return text + "}";
}

function escape(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** OpenMetrics wants the bounds of buckets to look like floats. */
function floatOf(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}
