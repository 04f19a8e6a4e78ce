import type { Described } from "./description.ts";
import type { Reading } from "./reading.ts";
import { type BinaryString, encodeCloseStatement, Front, putBinary, putInt32 } from "../protocol/mod.ts";

/** So many descriptions of one statement are kept to be shared: others are kept by each that knows them. */
const KNOWN_MAX = 16;

/**
 * A prepared statement's definition, shared by all sessions and server connections that use it.
 *
 * Identity is (text, parameter types), and the settings by which servers read it; its name on servers is `pgplex:N`.
 */
export class Statement implements Described {
  readonly name: BinaryString;
  /** The same as bytes, for Binds. */
  readonly nameBytes: Uint8Array;
  /** A Parse's body behind the name: text, NUL, count and object ids of the parameter types. */
  readonly definition: BinaryString;
  /** Its identity. */
  readonly key: BinaryString;
  /** How it is to be read; null where nothing of that is known: then one session alone has it. */
  readonly reading: Reading | null;
  /** Servers make values of literals when they parse it. */
  readonly hasLiterals: boolean;
  /** Fingerprint of its text; 0 when it is too long to be looked at. */
  hash = 0;
  /** Sessions that know it by some name, and server connections that hold it. */
  users = 0;
  readonly #known: BinaryString[] = [];

  constructor(
    name: BinaryString,
    definition: BinaryString,
    key: BinaryString,
    reading: Reading | null = null,
  ) {
    this.name = name;
    this.key = key;
    this.reading = reading;
    this.hasLiterals = hasLiterals(definition);
    this.nameBytes = new Uint8Array(name.length);
    putBinary(this.nameBytes, 0, name);
    this.definition = definition;
  }

  /**
   * The complete Parse that makes it on a server, under pgplex's name or another.
   *
   * @param parameters types of the parameters in place of the definition's; see {@link Description.parameters}
   */
  encodeParse(name: BinaryString = this.name, parameters: BinaryString | null = null): Uint8Array {
    const definition = this.definitionWith(parameters);
    const message = new Uint8Array(5 + name.length + 1 + definition.length);
    message[0] = Front.Parse;
    putInt32(message, 1, message.length - 1);
    const at = putBinary(message, 5, name) + 1;
    putBinary(message, at, definition);
    return message;
  }

  /** Its definition with these types of parameters; null: as it is. */
  definitionWith(parameters: BinaryString | null): BinaryString {
    const { definition } = this;
    return parameters === null ? definition : definition.slice(0, definition.indexOf("\0") + 1) + parameters;
  }

  /** What describes it, one string for all that know the same. */
  known(types: BinaryString): BinaryString {
    const index = this.#known.indexOf(types);
    if (index >= 0) return this.#known[index]!;
    if (this.#known.length === KNOWN_MAX) this.#known.shift();
    this.#known.push(types);
    return types;
  }

  /** The complete Close that ends it on a server. */
  encodeClose(): Uint8Array {
    return encodeCloseStatement(this.name);
  }
}

/** Letters beyond ASCII, backslashes, and literals of any kind but numbers. */
const NOT_PLAIN = /['\\\x80-\xff]|\$(?!\d)/;

/** Whether servers may make values of what stands in a text when they parse it. */
export function hasLiterals(text: BinaryString): boolean {
  return NOT_PLAIN.test(text);
}

/** Nobody has set anything of it. */
const PLAIN: Reading = { literals: "", constants: "" };

/** The statements that anybody uses, one for each definition. Invariant: each has at least one user. */
export class StatementStore {
  readonly #byKey = new Map<BinaryString, Statement>();
  #serial = 0;

  get size(): number {
    return this.#byKey.size;
  }

  /**
   * The statement of this definition, with one more user. `reading` tells apart by what settings servers read it; null: nobody
   * else uses it, as that is not known.
   */
  use(definition: BinaryString, reading: Reading | null = PLAIN): Statement {
    return this.#use(definition, this.#prefix(definition, reading) + definition, reading);
  }

  #prefix(definition: BinaryString, reading: Reading | null): BinaryString {
    if (reading === null) return `own ${this.#serial}\0`;
    const literals = hasLiterals(definition) ? reading.literals : "";
    const { constants } = reading;
    return literals === "" && constants === "" ? "" : `${literals}\0${constants}\0`;
  }

  /** The statement of the same text with these types of parameters, with one more user. */
  useTyped(statement: Statement, parameters: BinaryString): Statement {
    const { definition, key, reading } = statement;
    const typed = statement.definitionWith(parameters);
    const made = this.#use(typed, key.slice(0, key.length - definition.length) + typed, reading);
    made.hash ||= statement.hash;
    return made;
  }

  /** The statement of the same text as it is read by `reading`, with one more user. */
  useRead(statement: Statement, reading: Reading | null): Statement {
    const made = this.use(statement.definition, reading);
    made.hash ||= statement.hash;
    return made;
  }

  #use(definition: BinaryString, key: BinaryString, reading: Reading | null): Statement {
    let statement = this.#byKey.get(key);
    if (statement === undefined) {
      statement = new Statement(`pgplex:${++this.#serial}`, definition, key, reading);
      this.#byKey.set(key, statement);
    }
    statement.users++;
    return statement;
  }

  /** One more user of a statement that has some, or had: the server skipped the Close that was to end it. */
  share(statement: Statement): Statement {
    if (statement.users++ === 0 && !this.#byKey.has(statement.key)) {
      this.#byKey.set(statement.key, statement);
    }
    return statement;
  }

  /** One user less; the last one takes it out. */
  release(statement: Statement): void {
    if (--statement.users > 0 || this.#byKey.get(statement.key) !== statement) return;
    this.#byKey.delete(statement.key);
  }
}
