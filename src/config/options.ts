import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import { nearest } from "./nearest.ts";
import { OPTION_NAMES, type OptionName } from "./option_names.ts";
import type { PoolSettings } from "./schema.ts";
import type { SettingType } from "./setting.ts";
import { SETTING_TREE } from "./settings.ts";
import { formatValue, type ParsedValue, parseValue } from "./value.ts";

/** For how long an option is set: until the session ends, until its transaction does, or for one statement. */
export type OptionScope = "session" | "transaction" | "statement";

/** One option that a client may set for itself. */
export interface OptionSpec {
  readonly name: OptionName;
  readonly type: SettingType;
  /** The key of the pool that holds where the client sets nothing; null: {@link OptionSpec.initial}. */
  readonly poolKey: keyof PoolSettings | null;
  /** What holds where the client sets nothing and no key of the pool says. */
  readonly initial: string | null;
  /**
   * Where a directive may set it. SET and the connection string always mean the session. Empty: the connection string alone
   * may set it.
   */
  readonly scopes: readonly OptionScope[];
  /** Another name of it in directives. */
  readonly short: string | null;
  readonly doc: string;
}

const ALL: readonly OptionScope[] = ["session", "transaction", "statement"];
const SESSION: readonly OptionScope[] = ["session"];

/** Every option, in the order of the documentation, which a test compares with this table. */
export const OPTIONS: readonly OptionSpec[] = [
  {
    name: "pool_mode",
    type: { kind: "choice", values: ["session", "transaction"] }, // that a client may ask for
    poolKey: "pool_mode",
    initial: null,
    scopes: SESSION,
    short: null,
    doc: "`session` keeps the server connection until the option is reset or the client leaves.",
  },
  {
    name: "intent",
    type: { kind: "choice", values: ["read", "write"] },
    poolKey: null,
    initial: "write",
    scopes: ALL,
    short: null,
    doc: "What the client is about to do; `read` may be served by a standby where one is known.",
  },
  ofPool(
    "query_timeout",
    ALL,
    "A statement that takes longer is cancelled, its wait for a server included; 0s: never.",
    "timeout",
  ),
  ofPool("query_wait_timeout", ALL, "How long to wait for a server connection; 0s: for ever."),
  ofPool("client_idle_timeout", SESSION, "A client that is silent for longer is disconnected; 0s: never."),
  ofPool("pin_timeout", SESSION, "A pinned session that is idle for longer is ended; 0s: never."),
  ofPool("pin_policy", SESSION, "`refuse` ends a session that would have to be pinned."),
  ofPool("state_check", SESSION, "When a lease's end looks for session state that changed out of sight."),
  ofPool(
    "commit_guard",
    SESSION,
    "`on` finds out what became of a COMMIT whose answer is lost, in transaction pooling.",
  ),
  {
    name: "tag",
    type: { kind: "text", bytesMax: NAME_BYTES_MAX },
    poolKey: null,
    initial: "",
    scopes: ALL,
    short: null,
    doc: "A word for the console and the log, of at most 63 printable ASCII characters.",
  },
  {
    name: "cluster",
    type: { kind: "text", bytesMax: NAME_BYTES_MAX },
    poolKey: null,
    initial: "",
    scopes: [],
    short: null,
    doc: "The cluster that database names without one mean, for tools that connect again by such names.",
  },
];

const BY_NAME: ReadonlyMap<string, OptionSpec> = new Map(
  OPTIONS.flatMap((spec) =>
    [[spec.name, spec], ...(spec.short === null ? [] : [[spec.short, spec]])] as [
      string,
      OptionSpec,
    ][]
  ),
);

/** The option of this name, or short name where `short` says so; null when there is none. */
export function findOption(name: string, { short = false } = {}): OptionSpec | null {
  const spec = BY_NAME.get(name) ?? null;
  return spec !== null && (short || spec.name === name) ? spec : null;
}

/** The option that was most likely meant; undefined when none is near. */
export function nearestOption(name: string): string | undefined {
  return nearest(name, OPTION_NAMES);
}

/** A value as a client writes it, in the form of the configuration. */
export function parseOption(spec: OptionSpec, text: string): ParsedValue {
  if (
    spec.type.kind === "text" &&
    (!/^[\x20-\x7e]*$/.test(text) || text.length > (spec.type.bytesMax ?? Infinity))
  ) return { expected: `text of at most ${spec.type.bytesMax} printable ASCII characters` };
  if (spec.type.kind === "text" && text === "") return { value: "" };
  const raw = spec.type.kind === "choice" ? text.toLowerCase() : text;
  // A duration of 0 is a number in the file.
  return parseValue(spec.type, raw === "0" && spec.type.kind !== "text" ? 0 : raw);
}

/** What SHOW prints of a value. */
export function formatOption(spec: OptionSpec, value: unknown): string {
  return formatValue(spec.type, value);
}

function ofPool(
  name: OptionName & keyof PoolSettings,
  scopes: readonly OptionScope[],
  doc: string,
  short: string | null = null,
): OptionSpec {
  const { type } = SETTING_TREE.members.get("pool")!.members.get(name)!.setting;
  return { name, type, poolKey: name, initial: null, scopes, short, doc };
}
