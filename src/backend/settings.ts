import type { BinaryString } from "../protocol/mod.ts";
import { type Reading, readingOf } from "./reading.ts";

/** Reported like a setting, but a fact of the node: whether it is in recovery. It makes no two sessions different. */
export const NODE_FACT = "in_hot_standby";

/** Reported settings for which nobody asks whether they were SET. */
export const UNMARKED_NAMES: readonly string[] = [
  "application_name", // known for itself
  "client_encoding", // set anew by each restore that needs another one meanwhile
  "session_authorization",
];

/** Milliseconds, or kilobytes, of the units in which SHOW shows them (convert_int_from_base_unit in guc.c). */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  kB: 1,
  MB: 1024,
  GB: 1024 ** 2,
  TB: 1024 ** 3,
};

/** What SHOW shows as pg_settings has it: "5s" of statement_timeout is 5000 there. */
export function rawSetting(shown: BinaryString): BinaryString {
  const match = /^(\d+)(ms|s|min|h|d|kB|MB|GB|TB)$/.exec(shown);
  return match === null ? shown : String(Number(match[1]) * UNITS[match[2]!]!);
}

/** Milliseconds as SHOW shows them: in the largest unit that has no remainder (convert_int_from_base_unit in guc.c). */
export function shownTime(ms: number): BinaryString {
  if (ms === 0) return "0";
  const unit = TIME_UNITS.find((name) => ms % UNITS[name]! === 0)!;
  return `${ms / UNITS[unit]!}${unit}`;
}

const TIME_UNITS = ["d", "h", "min", "s", "ms"] as const;

/** No names. */
const NONE: ReadonlySet<string> = new Set();

/**
 * A set of settings by name, never changed: every change makes another. A session and a server connection each hold one,
 * and to ask whether a connection fits is, nearly always, to compare two references.
 */
export class Settings {
  /** No setting at all. */
  static readonly none: Settings = new Settings(new Map(), NONE, 0);

  readonly values: ReadonlyMap<string, BinaryString>;
  /**
   * Those of {@link values} that servers report and that were SET, be it to their defaults, which may become others. What is not reported is
   * among the values only where it was SET.
   */
  readonly wereSet: ReadonlySet<string>;
  /** The session's search_path where it was set, else empty. */
  readonly searchPath: BinaryString;
  /** application_name, which each lease asks for; undefined where it is not known. */
  readonly applicationName: BinaryString | undefined;
  /** idle_session_timeout, which each lease asks for, in milliseconds; 0 where it is not known, as without one. */
  readonly idleSessionTimeoutMs: number;
  /** {@link NODE_FACT}; undefined before PostgreSQL 14. */
  readonly hotStandby: BinaryString | undefined;
  /** search_path begins with pg_temp: a backend makes its temporary schema as soon as somebody asks for the first in the path. */
  readonly createsInTemp: boolean;
  /** The same for settings that say the same, and rarely for others. */
  readonly hash: number;
  #reading: Reading | null = null;
  /** The last change asked for, or the one that leads back, since the same one tends to come again. Weak, or each would keep the next. */
  #changedName: string | null = null;
  #changedValue: BinaryString = "";
  #changed: WeakRef<Settings> | null = null;

  private constructor(
    values: ReadonlyMap<string, BinaryString>,
    wereSet: ReadonlySet<string>,
    hash: number,
  ) {
    this.values = values;
    this.wereSet = wereSet;
    this.searchPath = values.get("search_path") ?? "";
    this.applicationName = values.get("application_name");
    this.idleSessionTimeoutMs = Number(rawSetting(values.get("idle_session_timeout") ?? "0"));
    this.hotStandby = values.get(NODE_FACT);
    this.createsInTemp = this.searchPath.startsWith("pg_temp") || this.searchPath.startsWith('"pg_temp"');
    this.hash = hash;
  }

  /** By what of it servers read texts. */
  get reading(): Reading {
    return this.#reading ??= readingOf(this.values);
  }

  /** Whether {@link createsInTemp} holds of what a server reports, or may: before PostgreSQL 18 it does not report the search_path. */
  get mayCreateInTemp(): boolean {
    return this.createsInTemp || this.searchPath === "";
  }

  /** The settings of these pairs, of which `wereSet` are {@link wereSet}. */
  static from(
    pairs: Iterable<readonly [string, BinaryString]>,
    wereSet: ReadonlySet<string> = NONE,
  ): Settings {
    const values = new Map(pairs);
    let hash = 0;
    for (const [name, value] of values) if (name !== NODE_FACT) hash = (hash + hashOf(name, value)) | 0;
    for (const name of wereSet) hash = (hash + hashOf(name, WAS_SET)) | 0;
    return new Settings(values, wereSet.size === 0 ? NONE : wereSet, hash);
  }

  /** The same settings, of which these are {@link wereSet}; this very object when nothing changes. */
  marked(wereSet: ReadonlySet<string>): Settings {
    return isSame(this.wereSet, wereSet) ? this : Settings.from(this.values, wereSet);
  }

  /** The same settings with `name` at `value`; this very object when nothing changes. */
  with(name: string, value: BinaryString): Settings {
    const old = this.values.get(name);
    if (old === value) return this;
    const before = this.#changedName === name && this.#changedValue === value
      ? this.#changed!.deref()
      : undefined;
    if (before !== undefined) return before;
    const values = new Map(this.values);
    values.set(name, value);
    const hash = name === NODE_FACT
      ? this.hash
      : this.hash - (old === undefined ? 0 : hashOf(name, old)) + hashOf(name, value);
    const changed = new Settings(values, this.wereSet, hash | 0);
    this.#remember(name, value, changed);
    if (old !== undefined) changed.#remember(name, old, this);
    return changed;
  }

  #remember(name: string, value: BinaryString, changed: Settings): void {
    this.#changedName = name;
    this.#changedValue = value;
    this.#changed = new WeakRef(changed);
  }

  /** The same settings but for `name`. */
  without(name: string): Settings {
    const wereSet = new Set([...this.wereSet].filter((other) => other !== name));
    return Settings.from([...this.values].filter(([other]) => other !== name), wereSet);
  }

  /** Whether both say the same, wherever they hold: {@link NODE_FACT} is not compared. */
  equals(other: Settings): boolean {
    if (this === other) return true;
    if (this.hash !== other.hash || this.#sessionSize !== other.#sessionSize) return false;
    for (const [name, value] of this.values) {
      if (other.values.get(name) !== value && name !== NODE_FACT) return false;
    }
    return isSame(this.wereSet, other.wereSet);
  }

  /** How many there are, but for {@link NODE_FACT}. */
  get #sessionSize(): number {
    return this.values.size - (this.hotStandby === undefined ? 0 : 1);
  }

  /** Names whose value differs in `other`, or which only one of both has, or was SET; never {@link NODE_FACT}. */
  namesThatDiffer(other: Settings): string[] {
    const names: string[] = [];
    for (const [name, value] of this.values) {
      if (other.values.get(name) !== value || this.wereSet.has(name) !== other.wereSet.has(name)) {
        names.push(name);
      }
    }
    for (const name of other.values.keys()) if (!this.values.has(name)) names.push(name);
    return names.filter((name) => name !== NODE_FACT);
  }
}

/** Different settings that a {@link SettingsTable} keeps, at most. */
const KNOWN_MAX = 64;

/** Makes one object of settings that say the same, so that the next comparison is one of references. */
export class SettingsTable {
  readonly #known = new Map<number, Settings>();

  /** The first that said the same as `settings`, as far as it is remembered. */
  one(settings: Settings): Settings {
    const known = this.#known.get(settings.hash);
    if (known !== undefined && known.equals(settings)) return known;
    this.#known.delete(settings.hash);
    if (this.#known.size >= KNOWN_MAX) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(settings.hash, settings);
    return settings;
  }
}

/** Stands for a value in the hash of {@link Settings.wereSet}: no value has a NUL. */
const WAS_SET = "\0";

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one === other) return true;
  if (one.size !== other.size) return false;
  for (const name of one) if (!other.has(name)) return false;
  return true;
}

/** FNV-1a over both texts; addition makes the sum independent of order. */
function hashOf(name: string, value: BinaryString): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ 0x100, 0x01000193);
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  return hash | 0;
}
