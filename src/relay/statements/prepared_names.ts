import {
  Description,
  type Effect,
  type InFlight,
  type Reading,
  type Statement,
  type StatementStore,
} from "../../backend/mod.ts";
import type { StandingOrder } from "../../options/mod.ts";
import { type BinaryString, binaryString, ClientEncoding, putBinary } from "../../protocol/mod.ts";
import { UnnamedMemory } from "./unnamed_memory.ts";

/** In session pooling, statements that ask something of pgplex: of more the oldest are forgotten. */
const ORDERS_MAX = 1000;

/** A statement as a session knows it. Owed with a Bind it is noted where the server fails that. */
export class NamedStatement implements Effect {
  readonly name: Uint8Array;
  readonly hash: number;
  statement: Statement;
  /** What the client has heard of its types, and holds on to. */
  readonly told: Description;
  /** The search_path under which its client prepared it; null where that is not known. */
  readonly path: BinaryString | null;
  /** Its literals are read by the settings of its next use. */
  rereads = false;
  readonly #names: PreparedNames;

  constructor(
    names: PreparedNames,
    name: Uint8Array,
    { statement, told, path }: { statement: Statement; told: Description; path: BinaryString | null },
  ) {
    this.#names = names;
    this.name = name;
    this.hash = hashOf(name, 0, name.length);
    this.statement = statement;
    this.told = told;
    this.path = path;
  }

  done(): void {}

  undo(): void {}

  failed(): void {
    this.#names.failed = binaryString(this.name, 0, this.name.length);
  }
}

/**
 * The prepared statements that a session knows: by name, and the unnamed one.
 *
 * Names are looked up by their bytes, so that a Bind makes no string. Invariant: each named statement has this session
 * counted among its users.
 */
export class PreparedNames {
  /** The unnamed one. */
  readonly unnamed = new UnnamedMemory();
  /** The name in the Bind that failed last. */
  failed: BinaryString | null = null;
  readonly #store: StatementStore;
  readonly #encoding: ClientEncoding;
  /** By the hash of the name; made when it is needed. */
  #buckets: Map<number, NamedStatement[]> | null = null;
  #size = 0;
  /** What the texts of named statements ask of pgplex each time that they run, by name; made when one asks something. */
  #orders: Map<BinaryString, StandingOrder> | null = null;
  /** How many of them are SHOW of an option. */
  #shows = 0;

  /** @param encoding in which the client writes what {@link named} reads; all names are kept as the server keeps them */
  constructor(store: StatementStore, encoding: ClientEncoding = new ClientEncoding()) {
    this.#store = store;
    this.#encoding = encoding;
  }

  /** Number of named statements. */
  get size(): number {
    return this.#size;
  }

  /** What has the name that lies in `bytes` from `start` to `end`, as the client writes it. */
  named(bytes: Uint8Array, start: number, end: number): NamedStatement | null {
    return this.#encoding.differs
      ? this.#namedText(this.#encoding.statementName(bytes, start, end))
      : this.#kept(bytes, start, end);
  }

  #kept(bytes: Uint8Array, start: number, end: number): NamedStatement | null {
    const bucket = this.#buckets?.get(hashOf(bytes, start, end));
    if (bucket === undefined) return null;
    for (const entry of bucket) if (sameBytes(entry.name, bytes, start, end)) return entry;
    return null;
  }

  /** The statement of {@link named}. */
  find(bytes: Uint8Array, start: number, end: number): Statement | null {
    return this.named(bytes, start, end)?.statement ?? null;
  }

  /** {@link find} by a text. */
  findName(name: BinaryString): Statement | null {
    return this.#namedText(name)?.statement ?? null;
  }

  /** What the client has heard of the types of the statement with this name; null where there is none. */
  toldOf(name: BinaryString): Description | null {
    return this.#namedText(name)?.told ?? null;
  }

  /** The search_path under which the statement with this name was prepared; null where that is not known. */
  pathOf(name: BinaryString): BinaryString | null {
    return this.#namedText(name)?.path ?? null;
  }

  /** The client's name of the statement that servers know as `own`; null where there is none. */
  clientsNameOf(own: BinaryString): BinaryString | null {
    for (const name of this.names()) if (this.#namedText(name)?.statement.name === own) return name;
    return null;
  }

  #namedText(name: BinaryString): NamedStatement | null {
    const bytes = new Uint8Array(name.length);
    putBinary(bytes, 0, name);
    return this.#kept(bytes, 0, bytes.length);
  }

  /** The same text with the types of parameters that the client was told takes the place of its statement. */
  type(named: NamedStatement, parameters: BinaryString): void {
    const before = named.statement;
    named.statement = this.#store.useTyped(before, parameters);
    this.#store.release(before);
  }

  /** The same text, as it is read by `reading`, takes the place of its statement; null: nobody else has that. */
  read(named: NamedStatement, reading: Reading | null): void {
    const before = named.statement;
    named.statement = this.#store.useRead(before, reading);
    named.rereads = false;
    this.#store.release(before);
  }

  /** DISCARD PLANS went through: literals are read by the settings of the next use. */
  plansDiscarded(): void {
    for (const bucket of this.#buckets?.values() ?? []) {
      for (const named of bucket) named.rereads = named.statement.hasLiterals;
    }
    this.unnamed.reading = "";
  }

  /** The statement with this name is used by a server that reads literals so. */
  used(name: BinaryString, literals: BinaryString): void {
    const named = this.#namedText(name);
    const reading = named?.statement.reading ?? null;
    if (named?.rereads === true && reading !== null) this.read(named, { ...reading, literals });
  }

  /** What this statement's text asks of pgplex each time that it runs; null for most. The unnamed one's is named "". */
  orderOf(name: BinaryString): StandingOrder | null {
    return name === "" ? this.unnamed.order : this.#orders?.get(name) ?? null;
  }

  /** Whether any named statement asks anything of pgplex. */
  get hasOrders(): boolean {
    return this.#orders !== null && this.#orders.size > 0;
  }

  /** Whether any statement is SHOW of an option. */
  get hasShows(): boolean {
    return this.#shows > 0 || (this.unnamed.order !== null && this.unnamed.order.show !== null);
  }

  /**
   * In session pooling, where servers know the names: what a statement of this name asks from now on. It stays when the statement
   * is closed, as a name is of no use before it is parsed again.
   */
  setOrder(name: BinaryString, order: StandingOrder | null): void {
    if (name === "") {
      this.unnamed.setOrder(order);
      return;
    }
    this.#dropOrder(name);
    if (order === null) return;
    const orders = this.#orders ??= new Map();
    for (const oldest of orders.keys()) {
      if (orders.size < ORDERS_MAX) break;
      this.#dropOrder(oldest);
    }
    this.#keepOrder(name, order);
  }

  #keepOrder(name: BinaryString, order: StandingOrder): void {
    this.#dropOrder(name);
    (this.#orders ??= new Map()).set(name, order);
    if (order.show !== null) this.#shows++;
  }

  #dropOrder(name: BinaryString): void {
    const order = this.#orders?.get(name);
    if (order === undefined) return;
    this.#orders!.delete(name);
    if (order.show !== null) this.#shows--;
  }

  /**
   * `statement`, which has this name, with the text that says what holds now: another statement in its place where that
   * differs from its present one.
   */
  remade(name: BinaryString, statement: Statement): Statement {
    const order = this.#orders?.get(name);
    if (order === undefined || order.remake === null) return statement;
    const { definition, hash } = statement;
    const next = order.remake() + definition.slice(definition.indexOf("\0"));
    if (next === definition) return statement;
    const made = this.#store.use(next);
    made.hash ||= hash; // it changes no state either
    this.remove(name);
    this.set(name, made, { order });
    this.#store.release(statement);
    return made;
  }

  /** Gives `statement`, in whose users this session is counted already, a name that is free. */
  set(
    name: BinaryString,
    statement: Statement,
    { order = null, told = null, path = null }: {
      order?: StandingOrder | null;
      told?: Description | null;
      path?: BinaryString | null;
    } = {},
  ): void {
    if (order !== null) this.#keepOrder(name, order);
    const bytes = new Uint8Array(name.length);
    putBinary(bytes, 0, name);
    const entry = new NamedStatement(this, bytes, { statement, told: told ?? new Description(), path });
    const bucket = this.#buckets?.get(entry.hash);
    if (bucket === undefined) (this.#buckets ??= new Map()).set(entry.hash, [entry]);
    else bucket.push(entry);
    this.#size++;
  }

  /** Takes a name away; its statement stays counted until the caller releases it. */
  remove(name: BinaryString): Statement | null {
    this.#dropOrder(name);
    const bytes = new Uint8Array(name.length);
    putBinary(bytes, 0, name);
    const hash = hashOf(bytes, 0, bytes.length);
    const bucket = this.#buckets?.get(hash);
    const index = bucket?.findIndex((entry) => sameBytes(entry.name, bytes, 0, bytes.length)) ?? -1;
    if (bucket === undefined || index < 0) return null;
    const [entry] = bucket.splice(index, 1);
    if (bucket.length === 0) this.#buckets!.delete(hash);
    this.#size--;
    return entry!.statement;
  }

  /** Forgets everything and releases what it used. */
  clear(): void {
    for (const bucket of this.#buckets?.values() ?? []) {
      for (const entry of bucket) this.#store.release(entry.statement);
    }
    this.#buckets = null;
    this.#size = 0;
    this.#orders = null;
    this.#shows = 0;
    this.unnamed.drop();
  }

  /** DISCARD ALL or DEALLOCATE ALL went through: every name is gone, but for those in flight. */
  forget(inFlight: InFlight<BinaryString>): void {
    for (const name of [...this.names()]) {
      if (!inFlight.has(name)) this.#store.release(this.remove(name)!);
    }
  }

  /** All names, for the console. */
  *names(): Generator<BinaryString> {
    for (const bucket of this.#buckets?.values() ?? []) {
      for (const { name } of bucket) yield binaryString(name, 0, name.length);
    }
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

function sameBytes(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
