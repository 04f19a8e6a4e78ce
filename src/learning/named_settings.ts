import { namesReading, SetsReading, setsReading, setsSeed } from "../protocol/mod.ts";

/** Settings of the server's own that texts and parameters name, where pgplex must know of it before the next statement. Pure. */
export class NamedSettings {
  /** What since {@link begin} may have set by what servers read texts. */
  #reading: SetsReading = SetsReading.No;
  /** The text or the parameters that were looked at last name temp_buffers. */
  tempBuffers = false;
  /** A text or parameters named the seed of random(), where set_config may take it: no look finds that. From then on. */
  seed = false;

  /** Texts and parameters since {@link begin} in which a number stands that SHOW may show rounded; null for none. */
  #precise: string | null = null;
  /** Settings, each with what SHOW shows of it, that may be more than that. */
  #rounded: ReadonlyMap<string, string> = new Map();

  /** What the server has is known. */
  begin(): void {
    this.#reading = SetsReading.No;
    this.#precise = null;
  }

  /**
   * Whether some of these real numbers, which a look found set, may have more digits than SHOW shows of them: what a text said that
   * names them, or that came with their change, until they change again.
   *
   * @param before what was known of settings before
   */
  rounds(reals: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): boolean {
    if (this.#precise === null && this.#rounded.size === 0) return false;
    const precise = this.#precise?.toLowerCase();
    const isRounded = ([name, shown]: readonly [string, string]) =>
      this.#rounded.get(name) === shown ||
      (precise !== undefined && (before.get(name) !== shown || precise.includes(name)));
    this.#rounded = new Map([...reals].filter(isRounded));
    return this.#rounded.size > 0;
  }

  #readNumbers(text: string): void {
    if (PRECISE.test(text)) this.#precise = `${this.#precise ?? ""}${text}`.slice(-PRECISE_MAX);
  }

  /** A text is looked at, whose literals may be names of settings. */
  text(text: string): void {
    this.sets(setsReading(text));
    this.tempBuffers = text.includes("temp_buffers");
    if (setsSeed(text)) this.seed = true;
    this.#readNumbers(text);
  }

  /** Parameters of what may set something. */
  parameters(text: string): void {
    this.sets(namesReading(text));
    this.tempBuffers = text.includes("temp_buffers");
    if (SEED_PARAMETER.test(text)) this.seed = true;
    this.#readNumbers(text);
  }

  /** Something runs that may set by what servers read texts. */
  sets(reading: SetsReading): void {
    if (reading > this.#reading) this.#reading = reading;
  }

  /** Whether servers may read a text by other settings than those that are known. `settled`: they have answered everything. */
  readsOtherwise(settled: boolean): boolean {
    return this.#reading === SetsReading.Unreported || (this.#reading === SetsReading.Reported && !settled);
  }
}

/** A number of more than the six digits that SHOW has of a real one, or one whose digits are others. */
const PRECISE = /[1-9](?:[._]?\d){6}|0x/i;
/** Of more text than this nothing but that there was such a number need be known: what is set is another value then, as a rule. */
const PRECISE_MAX = 10_000;

/** With its length before it. */
// deno-lint-ignore no-control-regex -- a length is four bytes.
const SEED_PARAMETER = /\0\0\0\x04seed/i;
