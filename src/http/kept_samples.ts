/** Texts of the values that most samples have. */
const SMALL: readonly string[] = Array.from({ length: 256 }, (_, value) => String(value));

/** `-1.2345678901234567e-308` is the longest. */
const VALUE_BYTES_MAX = 24;

const [SPACE, NEW_LINE] = [0x20, 0x0a];

/** A sample's value as text. */
export function valueText(value: number): string {
  return SMALL[value] ?? String(value);
}

/** Things of which there are many, by their labels as `labelsOf` makes them. */
export class Labelled {
  /** The labels of all of them, one after the other, in UTF-8, and where each ends. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;

  constructor(labels: readonly string[]) {
    const encoder = new TextEncoder();
    const all = labels.map((one) => encoder.encode(one));
    this.ends = new Uint32Array(labels.length);
    this.bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    all.forEach((one, index) => {
      this.bytes.set(one, at);
      this.ends[index] = at += one.length;
    });
  }
}

/**
 * The samples of one metric of many things, as text that is kept from scrape to scrape: of a thousand pools most are as they were, so a
 * scrape compares numbers, and writes digits where they stand.
 *
 * Invariant: the text is that of the values; what has no value has no line.
 */
export class KeptSamples {
  readonly #name: Uint8Array;
  readonly #things: Labelled;
  readonly #values: (number | null)[];
  /** Where each value begins in the text, and how long it is; 0: it is not there. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint8Array;
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(name: string, things: Labelled) {
    const count = things.ends.length;
    this.#name = new TextEncoder().encode(name);
    this.#things = things;
    this.#values = Array<null>(count).fill(null);
    this.#starts = new Uint32Array(count);
    this.#lengths = new Uint8Array(count);
    this.#bytes = new Uint8Array(things.bytes.length + count * (this.#name.length + VALUE_BYTES_MAX + 2));
  }

  /** The text of these values; null: none. It stands until the next call. */
  text(valueOf: (index: number) => number | null): Uint8Array {
    const values = this.#values;
    let moves = false;
    for (let i = 0; i < values.length; i++) {
      const value = valueOf(i);
      if (value === values[i]) continue;
      values[i] = value;
      const text = value === null ? "" : valueText(value);
      if (text.length === this.#lengths[i]) this.#put(text, this.#starts[i]!);
      else moves = true;
    }
    if (moves) this.#writeAll();
    return this.#bytes.subarray(0, this.#length);
  }

  #writeAll(): void {
    const name = this.#name;
    const { bytes: labels, ends } = this.#things;
    const bytes = this.#bytes;
    let [at, label] = [0, 0];
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i]!;
      const value = this.#values[i]!;
      if (value === null) {
        this.#lengths[i] = 0;
        label = end;
        continue;
      }
      // Shorter than what a call that copies costs.
      for (let j = 0; j < name.length; j++) bytes[at++] = name[j]!;
      while (label < end) bytes[at++] = labels[label++]!;
      bytes[at++] = SPACE;
      const text = valueText(value);
      this.#starts[i] = at;
      this.#lengths[i] = text.length;
      this.#put(text, at);
      at += text.length;
      bytes[at++] = NEW_LINE;
    }
    this.#length = at;
  }

  #put(text: string, at: number): void {
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
  }
}
