import {
  findOption,
  formatOption,
  nearestOption,
  type OptionName,
  OPTIONS,
  type OptionSpec,
  parseOption,
  type PoolSettings,
} from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";

/** Options and their values in the form of the configuration. */
export type OptionValues = ReadonlyMap<OptionName, unknown>;

/** What a client is about to do. */
export type Intent = "read" | "write";

/** Where an option's value comes from, the strongest first; `pool` is the configuration. */
export type OptionSource = "statement" | "transaction" | "session" | "client" | "pool";

/** The setting under which PostgreSQL keeps an option. */
export const OPTION_PREFIX = "pgplex.";

/** No option: what most clients set. */
export const NO_OPTIONS: ReadonlyMap<OptionName, unknown> = new Map();
const NONE_REFUSED: ReadonlyMap<string, string> = new Map();

/** Names that there is no option of, each told once: more are not looked at. */
const UNKNOWN_MAX = 10;

/**
 * What one client set for itself: in its connection string, by SET, by directives. Pure.
 *
 * SET is the server's: it keeps the value as it keeps any custom setting, so that ROLLBACK takes it back, and at the
 * transaction's end {@link committed} says what is true. Until then {@link pending} holds what the text said.
 */
export class SessionOptions {
  /** From the connection string: what RESET goes back to. */
  readonly client: OptionValues;
  #session: OptionValues = NO_OPTIONS;
  #pending: Map<OptionName, unknown> | null = null;
  #transaction: Map<OptionName, unknown> | null = null;
  #statement: OptionValues | null = null;
  /** The client set nothing: what most clients do, and the only question that each transaction asks. */
  #none: boolean;
  /** What holds; undefined: it is to be found. */
  #intent: Intent | null | undefined = null;
  /** The same without what the statement said of itself. */
  #standingIntent: Intent | null | undefined = null;
  #merged: PoolSettings | null = null;
  #mergedFrom: PoolSettings | null = null;
  /** Texts of the server's that are not followed, each told once. */
  #refused: ReadonlyMap<string, string> = NONE_REFUSED;
  #pinned = false;

  constructor(client: OptionValues = NO_OPTIONS) {
    this.client = client;
    this.#none = client.size === 0;
    if (!this.#none) this.#intent = this.#standingIntent = undefined;
  }

  /** The pool's settings with what the client set over them. The same object until either changes. */
  settings(pool: PoolSettings): PoolSettings {
    if (this.#none) return pool;
    if (this.#merged === null || this.#mergedFrom !== pool) {
      const over: Record<string, unknown> = {};
      for (const { name, poolKey } of OPTIONS) {
        const value = this.#value(name);
        if (poolKey !== null && value !== undefined) over[poolKey] = value;
      }
      this.#mergedFrom = pool;
      this.#merged = { ...pool, ...over };
    }
    return this.#merged;
  }

  #changed(): void {
    this.#merged = null;
    this.#intent = this.#standingIntent = undefined;
    this.#none = this.#session.size === 0 && this.client.size === 0 && this.#statement === null &&
      this.#pending === null && this.#transaction === null;
  }

  /** What holds now, as SHOW prints it, and why. */
  shown(spec: OptionSpec, pool: PoolSettings): { text: string; source: OptionSource } {
    const { name, poolKey } = spec;
    for (const [source, values] of this.#layers()) {
      if (values?.has(name)) return { text: formatOption(spec, values.get(name)), source };
    }
    return {
      text: poolKey === null ? spec.initial! : formatOption(spec, pool[poolKey]),
      source: "pool",
    };
  }

  /**
   * The text of an option, or of what holds without any SET; `overridden` where a directive for the transaction is stronger
   * than SET.
   */
  base(spec: OptionSpec, pool: PoolSettings): { text: string; overridden: boolean } {
    if (this.#transaction?.has(spec.name)) {
      return { text: formatOption(spec, this.#transaction.get(spec.name)), overridden: true };
    }
    if (this.client.has(spec.name)) {
      return { text: formatOption(spec, this.client.get(spec.name)), overridden: false };
    }
    const text = spec.poolKey === null ? spec.initial! : formatOption(spec, pool[spec.poolKey]);
    return { text, overridden: false };
  }

  /** A SET goes to the server: it holds from now on, and the transaction's end says whether it stays. */
  set(name: OptionName, value: unknown): void {
    (this.#pending ??= new Map()).set(name, value);
    this.#changed();
  }

  /** A RESET goes to the server. */
  reset(name: OptionName): void {
    this.set(name, undefined);
  }

  /** Until the transaction ends. */
  setForTransaction(name: OptionName, value: unknown): void {
    (this.#transaction ??= new Map()).set(name, value);
    this.#changed();
  }

  /** Until the statement is answered; null when it is. */
  setForStatement(values: OptionValues | null): void {
    if (values === this.#statement) return;
    this.#statement = values;
    this.#changed();
  }

  /** Whether nothing was SET of which nobody has found out yet what became of it. */
  get settled(): boolean {
    return this.#pending === null;
  }

  /** Whether a statement has options of its own. */
  get forStatement(): boolean {
    return this.#statement !== null;
  }

  /** `--!pgplex pin` was said, or unpin. */
  askPin(pinned: boolean): void {
    this.#pinned = pinned;
  }

  /** Whether `--!pgplex pin` was said, and no unpin since. */
  get pinned(): boolean {
    return this.#pinned;
  }

  /** Whether the client asks to keep its server connection. */
  get pins(): boolean {
    return this.#pinned || (!this.#none && this.poolMode === "session");
  }

  /** The pool mode that the client asks for; null when it asks for none. */
  get poolMode(): PoolSettings["pool_mode"] | null {
    return (this.#value("pool_mode") as PoolSettings["pool_mode"] | undefined) ?? null;
  }

  /** What the client said that it is about to do; null where it said nothing. */
  get intent(): Intent | null {
    if (this.#intent === undefined) {
      this.#intent = this.#statement?.get("intent") as Intent | undefined ?? this.standingIntent;
    }
    return this.#intent;
  }

  /** {@link intent} as it is behind the statement that runs. */
  get standingIntent(): Intent | null {
    if (this.#standingIntent === undefined) {
      const [, ...layers] = this.#layers();
      this.#standingIntent = intentOf(layers);
    }
    return this.#standingIntent;
  }

  /** {@link intent} as the connection string or SET said it. */
  get givenIntent(): Intent | null {
    const [, , ...layers] = this.#none ? [] : this.#layers();
    return intentOf(layers);
  }

  /** Whether the server keeps any option for the client. */
  get wasSet(): boolean {
    return this.#session.size > 0;
  }

  /** The transaction has ended: what directives said for it is over. What SET left is to be {@link committed}. */
  transactionEnds(): void {
    if (this.#transaction === null) return;
    this.#transaction = null;
    this.#changed();
  }

  /** Nobody could say what SET left: what was before holds. */
  forgetPending(): void {
    if (this.#pending === null) return;
    this.#pending = null;
    this.#changed();
  }

  /**
   * What the server says that SET left. What it could not have taken through pgplex, from inside functions, is left out: a
   * value that the option does not take, an option that `mayBe` refuses, or one that there is not.
   *
   * @returns the errors of what is left out and was not before.
   */
  committed(
    texts: ReadonlyMap<string, BinaryString>,
    mayBe: (change: { readonly name: OptionName; readonly value: unknown }) => PgplexError | null,
  ): PgplexError[] {
    const errors: PgplexError[] = [];
    const refused = new Map<string, string>();
    const session = new Map<OptionName, unknown>();
    for (const spec of OPTIONS) {
      const text = texts.get(OPTION_PREFIX + spec.name);
      if (text === undefined || text === "") continue;
      const { name } = spec;
      const parsed = parseOption(spec, text);
      const error = "expected" in parsed
        ? new PgplexError("invalid_option", `invalid value for parameter "${OPTION_PREFIX}${name}"`, {
          hint: "It was set where pgplex cannot see, and is not followed.",
        })
        : mayBe({ name, value: parsed.value });
      if (error === null) session.set(name, (parsed as { value: unknown }).value);
      else {
        refused.set(name, text);
        if (this.#refused.get(name) !== text) errors.push(error);
      }
    }
    let unknown = 0;
    for (const [setting, text] of texts) {
      const name = setting.slice(OPTION_PREFIX.length);
      if (text === "" || !setting.startsWith(OPTION_PREFIX) || findOption(name) !== null) continue;
      if (++unknown > UNKNOWN_MAX) break;
      refused.set(name, "");
      if (!this.#refused.has(name)) errors.push(unknownOption(name));
    }
    this.#session = session.size === 0 ? NO_OPTIONS : session;
    this.#refused = refused.size === 0 ? NONE_REFUSED : refused;
    this.#pending = null;
    this.#changed();
    return errors;
  }

  /** @returns undefined where the client set nothing. */
  #value(name: OptionName): unknown {
    for (const [, values] of this.#layers()) if (values?.has(name)) return values.get(name);
    return undefined;
  }

  /** The strongest first. A RESET that is not committed yet hides what was SET. */
  *#layers(): Generator<[OptionSource, OptionValues | null]> {
    yield ["statement", this.#statement];
    yield ["transaction", this.#transaction];
    const pending = this.#pending;
    if (pending === null) yield ["session", this.#session];
    else {
      const session = new Map([...this.#session, ...pending]);
      for (const [name, value] of pending) if (value === undefined) session.delete(name);
      yield ["session", session];
    }
    yield ["client", this.client];
  }
}

function intentOf(layers: readonly (readonly [OptionSource, OptionValues | null])[]): Intent | null {
  const values = layers.find(([, values]) => values?.has("intent"))?.[1];
  return values?.get("intent") as Intent | undefined ?? null;
}

/**
 * One option of a SET or of the connection string.
 *
 * @throws PgplexError with PostgreSQL's SQLSTATEs: 42704 no such option, 42501 not allowed, 22023 a value that it does not take.
 */
export function optionValue(
  name: string,
  text: string | null,
  allowed: readonly string[],
): { spec: OptionSpec; value: unknown } {
  const spec = findOption(name);
  if (spec === null) throw unknownOption(name);
  if (!allowed.includes(spec.name)) throw notAllowed(spec.name);
  if (text === null) return { spec, value: undefined };
  const parsed = parseOption(spec, text);
  if ("expected" in parsed) {
    throw new PgplexError(
      "invalid_option",
      `invalid value for parameter "${OPTION_PREFIX}${spec.name}": "${text}"`,
      { hint: `It must be ${parsed.expected}.` },
    );
  }
  return { spec, value: parsed.value };
}

/** An option that there is not. */
function unknownOption(name: string): PgplexError {
  const near = findOption(name, { short: true })?.name ?? nearestOption(name);
  return new PgplexError(
    "unknown_option",
    `unrecognized configuration parameter "${OPTION_PREFIX}${name}"`,
    {
      hint: near === undefined
        ? `The options are ${OPTIONS.map((option) => option.name).join(", ")}.`
        : `Perhaps you meant "${OPTION_PREFIX}${near}".`,
    },
  );
}

/** An option that `options_allowed` does not list. */
export function notAllowed(name: OptionName): PgplexError {
  return new PgplexError(
    "option_not_allowed",
    `permission denied to set parameter "${OPTION_PREFIX}${name}"`,
    {
      hint: "The operator's options_allowed does not list it.",
    },
  );
}
