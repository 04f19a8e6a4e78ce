import type { Effect } from "./owed.ts";
import { Back, type BinaryString, binaryString, findNul, uint16At } from "../protocol/mod.ts";

/** The {@link Description.row} of a statement that returns no rows. */
export const NO_ROW: BinaryString = "";

/** What says more of a statement is not remembered; 1664 columns, the most there are, take 140 kB. */
const DESCRIPTION_BYTES_MAX = 1 << 20;

/** A column of a RowDescription behind its name: table, column number, type, length of the type, type modifier, format. */
const COLUMN_BYTES = 18;

/** What is known of a prepared statement's types, to a client or of a server's own statement; null: nothing. */
export class Description {
  /** A ParameterDescription's body, which is also what a Parse says of the types behind its text. */
  parameters: BinaryString | null = null;
  /** {@link rowTypes} of what it returns, or {@link NO_ROW}. */
  row: BinaryString | null = null;
  /** {@link Description.row} was learnt by a Describe of portals alone. */
  ofPortals = false;
}

/** A prepared statement, as far as it keeps what describes it. */
export interface Described {
  /** One string of these types for all that know the same. */
  known(types: BinaryString): BinaryString;
}

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

/** A name with other letters than ASCII's is another in each client_encoding, and not compared. */
const NOT_ASCII = /[\x80-\xff]/;

/**
 * What a RowDescription's body says of each column as far as PostgreSQL compares it before it runs a plan anew (equalRowTypes in
 * tupdesc.c): name, type and modifier; not the table that it comes from.
 */
export function rowTypes(body: Uint8Array): BinaryString {
  const columns = uint16At(body, 0);
  let types = binaryString(body, 0, 2);
  let at = 2;
  for (let i = 0; i < columns; i++) {
    const nul = findNul(body, at, body.length);
    if (nul < 0 || nul + 1 + COLUMN_BYTES > body.length) return binaryString(body, 0, body.length);
    const name = binaryString(body, at, nul);
    types += `${NOT_ASCII.test(name) ? "" : name}\0${binaryString(body, nul + 7, nul + 17)}`;
    at = nul + 1 + COLUMN_BYTES;
  }
  return types;
}
