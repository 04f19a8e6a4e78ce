import { Back, type BinaryString, binaryString } from "../protocol/mod.ts";
import { type Described, type Description, NO_ROW, rowTypes } from "./description.ts";
import type { Effect } from "./owed.ts";

/** What says more of a statement is not remembered; 1664 columns, the most there are, take 140 kB. */
const DESCRIPTION_BYTES_MAX = 1 << 20;

/** A Describe that was sent: its replies are remembered as they pass. */
export class Describing implements Effect {
  /** Whether they have not come yet. */
  pending = true;
  readonly #queue: Describing[];
  readonly #statement: Described | null;
  readonly #learners: readonly Description[];
  readonly #ofPortal: boolean;
  #type = 0;
  #body: Uint8Array | null = null;
  #bytes = 0;

  /**
   * @param queue those whose replies come from the same server; this one is added
   * @param statement null for the unnamed one
   * @param learners what learns of it
   */
  constructor(
    queue: Describing[],
    statement: Described | null,
    learners: readonly Description[],
    ofPortal: boolean,
  ) {
    this.#queue = queue;
    this.#statement = statement;
    this.#learners = learners;
    this.#ofPortal = ofPortal;
    queue.push(this);
  }

  done(): void {}

  undo(): void {
    this.#end();
  }

  /** A reply of this type begins, whose body has `bytes` bytes. Whether {@link take} is to bring them. */
  begin(type: number, bytes: number): boolean {
    this.#type = type;
    this.#bytes = 0;
    if (type === Back.NoData) this.#learnRow(NO_ROW);
    else if (bytes <= DESCRIPTION_BYTES_MAX) this.#body = new Uint8Array(bytes);
    else if (type === Back.RowDescription) this.#end();
    return this.#body !== null;
  }

  /** The next piece of the body; whether more is to come. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    const body = this.#body!;
    body.set(bytes.subarray(start, end), this.#bytes);
    this.#bytes += end - start;
    if (this.#bytes < body.length) return true;
    this.#body = null;
    if (this.#type === Back.RowDescription) this.#learnRow(rowTypes(body));
    else {
      const parameters = this.#known(binaryString(body, 0, body.length));
      for (const learner of this.#learners) learner.parameters = parameters;
    }
    return false;
  }

  #known(types: BinaryString): BinaryString {
    return this.#statement === null ? types : this.#statement.known(types);
  }

  #learnRow(types: BinaryString): void {
    const row = this.#known(types);
    for (const learner of this.#learners) {
      learner.ofPortals = this.#ofPortal && (learner.row === null || learner.ofPortals);
      learner.row = row;
    }
    this.#end();
  }

  #end(): void {
    this.pending = false;
    const index = this.#queue.indexOf(this);
    if (index >= 0) this.#queue.splice(index, 1);
  }
}
