import { namesReading, SetsReading, setsReading, setsSeed } from "../protocol/mod.ts";

/** Settings of the server's own that texts and parameters name, where pgplex must know of it before the next statement. Pure. */
export class NamedSettings {
  /** What since {@link begin} may have set by what servers read texts. */
  #reading: SetsReading = SetsReading.No;
  /** The text or the parameters that were looked at last name temp_buffers. */
  tempBuffers = false;
  /** A text or parameters named the seed of random(), where set_config may take it: no look finds that. From then on. */
  seed = false;

  /** What the server has is known. */
  begin(): void {
    this.#reading = SetsReading.No;
  }

  /** A text is looked at, whose literals may be names of settings. */
  text(text: string): void {
    this.sets(setsReading(text));
    this.tempBuffers = text.includes("temp_buffers");
    if (setsSeed(text)) this.seed = true;
  }

  /** Parameters of what may set something. */
  parameters(text: string): void {
    this.sets(namesReading(text));
    this.tempBuffers = text.includes("temp_buffers");
    if (SEED_PARAMETER.test(text)) this.seed = true;
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

/** With its length before it. */
// deno-lint-ignore no-control-regex -- a length is four bytes.
const SEED_PARAMETER = /\0\0\0\x04seed/i;
