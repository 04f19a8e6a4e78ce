import { PgplexError } from "../kernel/mod.ts";
import { checkConfig } from "./check.ts";
import { type ConfigDiff, diffConfig } from "./diff.ts";
import type { ParsedConfig } from "./parse.ts";
import { formatPath, type Segments, valueAt, withValue } from "./path.ts";
import type { Position } from "./problem.ts";
import type { Config } from "./schema.ts";
import { settingAt } from "./setting_at.ts";
import { formatValue } from "./value.ts";

/** Where a value in force comes from: nobody gave it, the file, a SET, or another key that holds where this one is absent. */
export type Source = "default" | "file" | "SET" | "inherited";

/** One SET that lies over the file. */
interface Laid {
  readonly segments: Segments;
  readonly value: unknown;
}

/**
 * The configuration in force: the file's, over it what SET has laid, and for what needs a restart the values of the start.
 * A SET holds over reloads until it is reset; it is in no file, so a restart forgets it.
 *
 * Invariant: file and SETs together are a configuration that a file could have.
 */
export class LiveConfig {
  #file: Config;
  #positions: ReadonlyMap<string, Position>;
  #laid: ReadonlyMap<string, Laid> = new Map();
  #current: Config;

  constructor({ config, positions }: ParsedConfig) {
    this.#file = this.#current = config;
    this.#positions = positions;
  }

  /** What is in force. Replaced, never changed. */
  get config(): Config {
    return this.#current;
  }

  /** Paths that SET has given a value, in the order in which it did. */
  get laid(): string[] {
    return [...this.#laid.keys()];
  }

  /**
   * Lays a value over the file's, in the form of the configuration ({@link parseValue}).
   *
   * @throws PgplexError `cant_change_now` for what needs a restart; `invalid_parameter_value` for what does not go with
   *   other settings: nothing has changed then
   */
  set(segments: Segments, value: unknown): ConfigDiff {
    const setting = settingAt(segments);
    const path = formatPath(segments);
    if (setting?.reload === "restart") throw needsRestart(path);
    const laid = new Map(this.#laid);
    laid.delete(path);
    laid.set(path, { segments, value });
    return this.#change(this.#file, laid);
  }

  /**
   * Takes back what SET has laid at `segments` and below it; the root takes back all.
   *
   * @throws PgplexError `invalid_parameter_value` when the file's value does not go with another SET
   */
  reset(segments: Segments): ConfigDiff & { readonly paths: readonly string[] } {
    const kept = new Map([...this.#laid].filter(([, { segments: at }]) => !isWithin(at, segments)));
    const paths = this.laid.filter((path) => !kept.has(path));
    return { ...this.#change(this.#file, kept), paths };
  }

  /**
   * Another file. SETs stay, but for those of which the file no longer has the cluster or alias: `dropped`.
   *
   * @throws PgplexError `config_invalid` when the file does not go with a SET: nothing has changed then
   */
  reload({ config, positions }: ParsedConfig): ConfigDiff & { readonly dropped: readonly string[] } {
    const kept = new Map<string, Laid>();
    const dropped: string[] = [];
    for (const [path, { segments, value }] of this.#laid) {
      const place = placeIn(this.#file, config, segments);
      if (place === null) dropped.push(path);
      else kept.set(formatPath(place), { segments: place, value });
    }
    try {
      const diff = this.#change(config, kept);
      this.#positions = positions;
      return { ...diff, dropped };
    } catch (thrown) {
      if (!(thrown instanceof PgplexError)) throw thrown;
      throw new PgplexError("config_invalid", "the file does not go with what SET has set, nothing changed", {
        detail: thrown.message,
        hint: `Take it back first: RESET ${[...kept.keys()].join("; RESET ")}`,
      });
    }
  }

  /** Where the value at `segments` comes from. */
  sourceOf(segments: Segments): Source {
    const path = formatPath(segments);
    if (this.#laid.has(path)) return "SET";
    const setting = settingAt(segments);
    if (this.#positions.has(path)) return "file";
    // A secret may stand in the group's short form (alice: "password"), or come from another file that this one names.
    if (setting?.type.kind === "secret" && valueAt(this.#current, segments) !== null) return "file";
    return setting?.default.kind === "inherited" ? "inherited" : "default";
  }

  /** The file's value at `segments`, which takes effect at the next start; null where it is in force already. */
  pendingAt(segments: Segments): string | null {
    const setting = settingAt(segments);
    if (setting?.reload !== "restart") return null;
    const next = formatValue(setting.type, valueAt(this.#file, segments));
    return next === formatValue(setting.type, valueAt(this.#current, segments)) ? null : next;
  }

  #change(file: Config, laid: ReadonlyMap<string, Laid>): ConfigDiff {
    let next = file;
    for (const { segments, value } of laid.values()) next = withValue(next, segments, value);
    const problem = newClash(file, next);
    if (problem !== null) throw new PgplexError("invalid_parameter_value", problem);
    const diff = diffConfig(this.#current, next);
    this.#file = file;
    this.#laid = laid;
    this.#current = diff.effective;
    return diff;
  }
}

/** What a SET of a setting hears that takes effect at the next start only. */
export function needsRestart(path: string): PgplexError {
  return new PgplexError("cant_change_now", `setting "${path}" cannot be changed without restarting pgplex`, {
    hint: "Change it in the file: it takes effect at the next start.",
  });
}

/** The first thing that does not go together in `next` and is not so in `file`, which was good when it was read. */
function newClash(file: Config, next: Config): string | null {
  const known = new Set(clashes(file));
  return clashes(next).find((message) => !known.has(message)) ?? null;
}

function clashes(config: Config): string[] {
  const messages: string[] = [];
  checkConfig(config, (_, message) => messages.push(message));
  return messages;
}

function isWithin(path: Segments, outer: Segments): boolean {
  return outer.every((segment, index) => segment === path[index]);
}

/**
 * Where in `next` the value is that has these segments in `before`; null where `next` has not what it belongs to. Entries of a list
 * are told by their names, as another file may have them in another order.
 */
function placeIn(before: Config, next: Config, segments: Segments): Segments | null {
  const place: (string | number)[] = [];
  for (const [index, segment] of segments.entries()) {
    const list = valueAt(next, place);
    if (typeof segment !== "number" || !Array.isArray(list)) {
      place.push(segment);
      continue;
    }
    const was = valueAt(before, segments.slice(0, index + 1)) as { readonly name?: string } | undefined;
    const at = list.findIndex(({ name }) => name !== undefined && name === was?.name);
    if (at < 0) return null;
    place.push(at);
  }
  const parent = valueAt(next, place.slice(0, -1));
  return typeof parent === "object" && parent !== null ? place : null;
}
