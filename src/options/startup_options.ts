import { type BinaryString, lowerCase, utf8FromBinary } from "../protocol/mod.ts";
import type { OptionName } from "../config/mod.ts";
import { NO_OPTIONS, OPTION_PREFIX, optionValue, type OptionValues } from "./session_options.ts";

/** A startup packet's parameters, and the options of pgplex that stood among them. */
export interface StartupOptions {
  /** Without what is pgplex's own: the server hears nothing of that. */
  readonly params: ReadonlyMap<string, BinaryString>;
  readonly options: OptionValues;
}

/**
 * One word of `options`, its backslashes as they are, with the white space in front; as pg_split_opts() divides them. White
 * space is ASCII's: any other byte may belong to a character.
 */
const WORD = /[ \t-\r]*(?:\\[^]|[^ \t-\r\\])+/g;

const CLUSTER_OPTION = `${OPTION_PREFIX}cluster`;

/**
 * Takes pgplex's own options out of a startup packet: parameters `pgplex.NAME`, and `-c pgplex.NAME=value` or
 * `--pgplex.NAME=value` in `options`.
 *
 * @throws PgplexError 42704, 42501 or 22023, as for SET
 */
export function startupOptions(
  given: ReadonlyMap<string, BinaryString>,
  allowed: readonly string[],
): StartupOptions {
  const options = new Map<OptionName, unknown>();
  const params = new Map<string, BinaryString>();
  const take = (name: string, value: BinaryString) => {
    if (!name.toLowerCase().startsWith(OPTION_PREFIX)) return false;
    const found = optionValue(
      name.toLowerCase().slice(OPTION_PREFIX.length).replaceAll("-", "_"),
      utf8FromBinary(value),
      allowed,
    );
    options.set(found.spec.name, found.value);
    return true;
  };
  for (const [name, value] of given) {
    if (name === "options") {
      const left = withoutOwn(value, take);
      if (left !== "") params.set(name, left);
    } else if (!take(name, value)) params.set(name, value);
  }
  return options.size === 0 ? { params: given, options: NO_OPTIONS } : { params, options };
}

/**
 * `pgplex.cluster` of a startup packet as it was written, before it is known whose options are allowed; null where it is not
 * given. {@link startupOptions} checks it.
 */
export function clusterOption(given: ReadonlyMap<string, BinaryString>): string | null {
  let cluster: string | null = null;
  const take = (name: string, value: BinaryString) => {
    if (name.toLowerCase() !== CLUSTER_OPTION) return false;
    cluster = utf8FromBinary(value);
    return true;
  };
  for (const [name, value] of given) {
    if (name === "options") withoutOwn(value, take);
    else take(name, value);
  }
  return cluster;
}

/** Parameters that are no settings: as they stand, in lower case. */
const NO_SETTINGS: ReadonlySet<string> = new Set(["user", "database", "options", "replication"]);

/** A setting of a startup packet, or its `options`: name as it was spelled, and value. */
export type StartupSetting = readonly [name: string, value: BinaryString];

/**
 * What a server connection is opened with for a client, by the names in lower case: servers take either case, and of two that are
 * the same the later one.
 */
export function startupSettings(params: ReadonlyMap<string, BinaryString>): Map<string, StartupSetting> {
  const settings = new Map<string, StartupSetting>();
  for (const [name, value] of params) {
    if (name !== "options" && NO_SETTINGS.has(name)) continue;
    const folded = lowerCase(name);
    settings.set(NO_SETTINGS.has(folded) ? name : folded, [name, value]);
  }
  return settings;
}

/** `options` without the switches that `take` takes. */
function withoutOwn(value: BinaryString, take: (name: string, value: BinaryString) => boolean): BinaryString {
  const words = value.match(WORD) ?? [];
  let left = "";
  for (let i = 0; i < words.length; i++) {
    const word = plain(words[i]!);
    const next = words[i + 1];
    // "-c name=value" in two words, "-cname=value" or "--name=value" in one.
    const two = word === "-c" && next !== undefined;
    const assignment = two
      ? plain(next)
      : word.startsWith("--") || word.startsWith("-c")
      ? word.slice(2)
      : "";
    const equals = assignment.indexOf("=");
    if (equals > 0 && take(assignment.slice(0, equals), assignment.slice(equals + 1))) {
      if (two) i++;
      continue;
    }
    left += words[i];
    if (two) left += words[++i];
  }
  return left;
}

function plain(word: string): string {
  return word.replace(/^[ \t-\r]+/, "").replace(/\\([^])/g, "$1");
}
