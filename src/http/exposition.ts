import { type Histogram, HISTOGRAM_BOUNDS } from "../telemetry/mod.ts";
import { valueText } from "./kept_samples.ts";

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

/** Enough for a few pools. */
const BYTES_AT_FIRST = 64 * 1024;

/** Writes metrics as text in UTF-8, one text after the other into the same memory. */
export class Exposition {
  readonly #encoder = new TextEncoder();
  #form: Form = "prometheus";
  #bytes = new Uint8Array(BYTES_AT_FIRST);
  #length = 0;
  #chunk = "";

  /** A new text. The last one is no more. */
  begin(form: Form): void {
    this.#form = form;
    this.#length = 0;
    this.#chunk = "";
  }

  /** Begins a metric, whose samples follow. A counter's name has no `_total` here; its samples get it. */
  family(name: string, kind: MetricKind, help: string): void {
    const named = kind === "counter" && this.#form === "prometheus" ? `${name}_total` : name;
    this.#put(`# HELP ${named} ${help}\n# TYPE ${named} ${kind}\n`);
  }

  /** One sample; `labels` as {@link labelsOf} makes them. */
  sample(name: string, labels: string, value: number): void {
    this.#put(`${name}${labels} ${valueText(value)}\n`);
  }

  /** Lines of samples that are bytes already. */
  lines(bytes: Uint8Array): void {
    this.#encode();
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
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

  /** The whole text, which stands until another one begins. */
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
