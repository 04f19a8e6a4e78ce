import {
  describeType,
  needsRestart,
  parseValue,
  type Segments,
  type Setting,
  settingNodeAt,
  valueAt,
} from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { OPTION_PREFIX } from "../../options/mod.ts";
import type { Answer } from "../answer/mod.ts";
import {
  type Args,
  type Command,
  type CommandContext,
  type NamePart,
  requireAdmin,
  syntaxErrorAt,
} from "../command/mod.ts";
import {
  driverValue,
  isDriverSetting,
  resetDriverSetting,
  setDriverSetting,
  showDriverSetting,
} from "../drivers/mod.ts";
import { type Leaf, nothingAt } from "./node.ts";
import { ambiguous, type Found, noPath, walk } from "./path.ts";
import { type PgBouncerKey, pgbouncerKey } from "./pgbouncer_keys.ts";
import { formatPlace } from "./place.ts";
import { treeRoot } from "./root.ts";
import { bareKeys, settingsNamed } from "./settings_path.ts";
import { showPlace } from "./show.ts";

/** SHOW, SET and RESET of any place of the tree, and of what drivers ask of their own connection. */
export const TREE_COMMANDS: readonly Command[] = [
  { words: ["SHOW"], access: "stats", usage: "<path>", run: show },
  {
    words: ["SHOW", "ALL"],
    access: "stats",
    run: async (args, context) => {
      args.none();
      return showPlace({ ...await walk(treeRoot(context), [{ text: "settings", quoted: false }]), path: [] });
    },
  },
  { words: ["SET"], access: "stats", usage: "<path> = <value>", run: set },
  { words: ["RESET"], access: "stats", usage: "<path> | ALL", run: reset },
];

async function show(args: Args, context: CommandContext): Promise<Answer> {
  const parts = pathAt(args, 0);
  args.texts(1, 1);
  const driver = driverName(parts);
  if (driver !== null) return showDriverSetting(driver, context.asker);
  return showPlace(await find(parts, context));
}

async function set(args: Args, context: CommandContext): Promise<Answer> {
  // SET SESSION and SET LOCAL are what drivers write; here they mean the same.
  const from = ["SESSION", "LOCAL"].includes(args.keyword(0) ?? "") && args.count > 3 ? 1 : 0;
  const parts = pathAt(args, from);
  const sign = args.tokens[from + 1];
  if (sign === undefined) throw new PgplexError("syntax_error", "syntax error at end of input");
  if (!(sign.kind === "mark" && sign.text === "=") && args.keyword(from + 1) !== "TO") {
    throw syntaxErrorAt(sign);
  }
  const values = args.rest(from + 2);
  const driver = driverName(parts);
  if (driver !== null) {
    if (values.keyword(0) === "DEFAULT") return { ...resetDriverSetting(driver, context.asker), tag: "SET" };
    return setDriverSetting(driver, driverValue(values), context.asker);
  }
  requireAdmin(context.asker);
  const habit = pgbouncerHabit(parts, values);
  if (habit?.kind === "none") {
    const message = `${parts[0]!.text} is no setting here, nothing changed: ${habit.why}`;
    return { notices: [{ severity: "NOTICE", message }] };
  }
  if (habit?.kind === "setting") {
    context.set(habit.path, habit.value);
    return {};
  }
  const { segments, row, path } = settable(await findToSet(parts, context));
  if (values.keyword(0) === "DEFAULT" && values.count === 1) {
    context.reset(segments);
    return {};
  }
  const value = valueOf(values, row, path);
  if (row.path === "console.admin_users") keepAsker(value as readonly string[], context);
  context.set(segments, value);
  return {};
}

/** A key that only PgBouncer has, given a single value. */
function pgbouncerHabit(parts: readonly NamePart[], values: Args): PgBouncerKey | null {
  const [only] = parts;
  if (parts.length !== 1 || values.count !== 1 || settingsNamed(only!.text).length > 0) return null;
  return pgbouncerKey(only!.text, values.texts(1, 1)[0]!);
}

async function reset(args: Args, context: CommandContext): Promise<Answer> {
  if (args.keyword(0) === "ALL") {
    args.rest(1).none();
    resetDriverSetting(null, context.asker);
    // Connection pools of drivers send RESET ALL between uses: without admin rights it resets nothing else.
    return context.asker.admin ? undone(context.reset([])) : {};
  }
  const parts = pathAt(args, 0);
  args.texts(1, 1);
  const driver = driverName(parts);
  if (driver !== null) return resetDriverSetting(driver, context.asker);
  requireAdmin(context.asker);
  const { node, path } = await find(parts, context);
  const segments = node.leaf?.setting?.segments ?? node.segments;
  if (segments === undefined) {
    throw new PgplexError("invalid_parameter_value", `"${formatPlace(path)}" is no setting`);
  }
  return undone(context.reset(segments));
}

function undone(paths: readonly string[]): Answer {
  if (paths.length === 0) return {};
  return { notices: [{ severity: "NOTICE", message: `back to the file's value: ${paths.join(", ")}` }] };
}

/** The place that a path names; a bare key may be a setting's last name. */
async function find(parts: readonly NamePart[], context: CommandContext): Promise<Found> {
  const root = treeRoot(context);
  const [only] = parts;
  const written = parts.map(({ text }) => text).join(".").toLowerCase();
  if (written.startsWith(OPTION_PREFIX)) throw optionsByDirective();
  if (parts.length === 1 && !new Set(root.names()).has(only!.text.toLowerCase())) {
    const named = settingsNamed(only!.text);
    if (named.length === 1) return await walk(root, named[0]!.map((text) => ({ text, quoted: false })));
    if (named.length > 1) throw ambiguous([only!.text], named);
    const tables = context.commands.all().filter(({ words }) => words[0] === "SHOW" && words.length === 2);
    throw nothingAt(formatPlace([only!.text]), {
      parent: "The console",
      asked: only!.text,
      names: root.names(),
      meant: [...tables.map(({ words }) => words[1]!.toLowerCase()), ...bareKeys()],
    });
  }
  return await walk(root, parts);
}

/** In a session of a database SET pgplex.NAME is one of its own options. */
function optionsByDirective(): PgplexError {
  return new PgplexError("undefined_object", "the console has no SET, RESET and SHOW of pgplex.NAME", {
    hint:
      "--!pgplex show options shows the options of this connection, --!pgplex session NAME=VALUE sets one.",
  });
}

/** As {@link find}; the error says so where the missing part could be added to the file. */
async function findToSet(parts: readonly NamePart[], context: CommandContext): Promise<Found> {
  try {
    return await find(parts, context);
  } catch (thrown) {
    if (!(thrown instanceof PgplexError) || thrown.code !== "undefined_object") throw thrown;
    const what = missingPart(parts.map(({ text }) => text), context);
    if (what === null) throw thrown;
    const { hint, ...extra } = thrown.extra;
    const how = `SET changes what there is, until the next start. To add ${what}, write it into the ` +
      "configuration file and RELOAD: no client that does not use it notices.";
    throw new PgplexError(thrown.code, thrown.message, {
      ...extra,
      hint: hint === undefined ? how : `${hint} ${how}`,
    });
  }
}

/** The first part of a path that the configuration could contain but does not: `cluster "new"`; null where it could not. */
function missingPart(names: readonly string[], { live }: CommandContext): string | null {
  const [first, ...rest] = names.map((name, index) => index === 0 ? name.toLowerCase() : name);
  const path = first === "settings"
    ? rest
    : first === "databases"
    ? ["routing", ...names]
    : first === "users"
    ? ["auth", ...names]
    : names;
  let known = settingNodeAt([]);
  let value: unknown = live.config;
  for (const [index, name] of path.entries()) {
    const above = known?.setting.type.kind;
    known = settingNodeAt(path.slice(0, index + 1));
    if (known === undefined) return null;
    const next = Array.isArray(value) ? value.find((item) => item.name === name) : valueAt(value, [name]);
    if (next === undefined || next === null) {
      // It exists with another case: the error says so already.
      const folded = name.toLowerCase();
      if (value instanceof Map && [...value.keys()].some((key) => key.toLowerCase() === folded)) return null;
      const named = above === "map" || above === "list" ? ENTRIES.get(String(path[index - 1])) : undefined;
      return named === undefined ? `"${formatPlace(path.slice(0, index + 1))}"` : `${named} "${name}"`;
    }
    value = next;
  }
  return null;
}

/** What an entry of these is called. */
const ENTRIES: ReadonlyMap<string, string> = new Map([
  ["clusters", "cluster"],
  ["nodes", "node"],
  ["databases", "database"],
  ["users", "user"],
]);

/** The setting at a place. @throws PgplexError that says why it cannot be SET */
function settable({ node, path: names }: Found): { segments: Segments; row: Setting; path: string } {
  const path = formatPlace(names);
  const leaf: Leaf | undefined = node.leaf;
  if (leaf === undefined) {
    throw new PgplexError("invalid_parameter_value", `"${path}" is not a single setting`, {
      hint: `SHOW ${path} lists those below it.`,
    });
  }
  if (leaf.setting === undefined) {
    throw new PgplexError("cant_change_now", `"${path}" is observed and cannot be set`);
  }
  if (leaf.changeable === "file") {
    throw new PgplexError("cant_change_now", `"${path}" is changed in the file only`, {
      hint: "Change it there, then RELOAD.",
    });
  }
  if (leaf.changeable === "restart") throw needsRestart(path);
  return { ...leaf.setting, path };
}

/** A SET survives every reload: an administrator who removed itself could not undo that. */
function keepAsker(admins: readonly string[], { asker }: CommandContext): void {
  if (admins.includes(asker.user)) return;
  throw new PgplexError("invalid_parameter_value", `this would leave "${asker.user}" without admin rights`, {
    hint: "Keep yourself in the list, or change the file and RELOAD.",
  });
}

/** The value of a SET in the form of the configuration. */
function valueOf(args: Args, { type }: Setting, path: string): unknown {
  const texts = args.texts(1, 1000);
  const bare = args.count === 1 && args.tokens[0]!.kind === "name" ? texts[0]! : null;
  let raw: unknown = texts.length === 1 ? texts[0] : texts;
  // One text with commas is PgBouncer's list.
  if (type.kind === "texts") raw = bare === "[]" ? [] : texts.length > 1 ? texts : texts[0]!.split(/\s*,\s*/);
  else if (bare?.toLowerCase() === "null") raw = null;
  else if (type.kind === "query" && bare?.toLowerCase() === "true") raw = true;
  else if (type.kind === "integer" && /^-?\d{1,15}$/.test(String(raw))) raw = Number(raw);
  // PgBouncer's seconds.
  else if (type.kind === "duration" && /^\d{1,10}(?:\.\d{1,6})?$/.test(String(raw))) raw = Number(raw);
  else if (type.kind === "choice") raw = String(raw).toLowerCase();
  const parsed = parseValue(type, raw);
  if ("value" in parsed) return parsed.value;
  throw new PgplexError(
    "invalid_parameter_value",
    `invalid value for setting "${path}": "${texts.join(", ").slice(0, 100)}"`,
    { hint: `It must be ${describeType(type)}.` },
  );
}

function pathAt(args: Args, index: number): readonly NamePart[] {
  const token = args.tokens[index];
  if (token?.kind !== "name") throw token === undefined ? noPath() : syntaxErrorAt(token);
  return token.parts;
}

/** The name of a driver's setting, where the path is one. */
function driverName(parts: readonly NamePart[]): string | null {
  const [only] = parts;
  return parts.length === 1 && isDriverSetting(only!.text) ? only!.text : null;
}
