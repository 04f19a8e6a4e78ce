import type { BinaryString } from "./bytes.ts";
import { SERVER_FUNCTIONS, SESSION_FUNCTIONS, type SessionEffect, wordSet } from "./server_functions.ts";
import { isName, nameOf } from "./sql_tokens.ts";

/** Words that may stand before a parenthesis without calling anything: keywords and names of types. */
const NOT_CALLS: ReadonlySet<string> = wordSet(`
  all and any array as asc between bigint bit boolean by case cast char character check collate columns conflict constraint cross
  cube date decimal default desc distinct double else end escape except exists extract false filter first float for foreign
  from full generated group grouping having ilike in include inner int integer intersect interval into is join key last
  lateral left like limit materialized merge natural nchar not null numeric nvarchar of offset on only or order ordinality
  outer over overlaps partition precision primary range real recursive references returning right rollup row rows select set
  sets similar smallint some symmetric table tablesample text then time timestamp timestamptz to true union unique unknown
  update using values varchar varying when where window with within without zone
`);

/**
 * What changes no session state besides {@link SERVER_FUNCTIONS}: what the grammar alone knows, but for TREAT, which calls by
 * the name of a type; the methods of TABLESAMPLE; what sequences remember, which is seen otherwise; and one of uuid-ossp.
 */
const HARMLESS_BESIDES: ReadonlySet<string> = wordSet(`
  bernoulli coalesce current_time current_timestamp greatest json json_array json_arrayagg json_exists json_objectagg
  json_query json_scalar json_serialize json_table json_value least localtime localtimestamp merge_action nextval nullif
  setval system trim uuid_generate_v4 xmlattributes xmlconcat xmlelement xmlforest xmlnamespaces xmlparse xmlpi xmlroot
  xmlserialize xmltable
`);

/**
 * Whether a text that calls by this name is not asked what it calls, whatever schema has the function: where the database has
 * one of its own, that one may be called.
 */
export function isTakenForHarmless(name: string): boolean {
  return NOT_CALLS.has(name) || isHarmless(name) || SESSION_FUNCTIONS.has(name);
}

function isHarmless(name: string): boolean {
  return SERVER_FUNCTIONS.has(name) || HARMLESS_BESIDES.has(name);
}

/** What a text calls by name, besides what is harmless. */
export interface SqlCalls {
  /** What the server's own functions may leave behind in the session. */
  readonly effects: ReadonlySet<SessionEffect>;
  /** Names of other functions and procedures, each once: what they do is for the catalogue to say. */
  readonly names: readonly BinaryString[];
}

/** What a text calls. `tokens` are its tokens without white space and comments, words in lower case, `"` before a quoted name. */
export function sqlCalls(tokens: readonly string[]): SqlCalls {
  const effects = new Set<SessionEffect>();
  const names = new Set<BinaryString>();
  let statement = 0;
  for (let i = 1; i < tokens.length; i++) {
    if (tokens[i] === ";") statement = i + 1;
    if (tokens[i] !== "(") continue;
    const word = tokens[i - 1]!;
    if (!isName(word) || NOT_CALLS.has(word)) continue;
    const name = nameOf(word);
    let start = i - 1;
    while (tokens[start - 1] === "." && start >= 2) start -= 2;
    // INSERT INTO t (…), COPY t (…), WITH q (…) AS, CREATE TABLE IF NOT EXISTS t (…), CREATE INDEX ON t (…): a list of columns.
    const before = tokens[start - 1] ?? "";
    if (/^(into|copy|with|recursive|references|table)$/.test(before)) continue;
    if (before === "exists" && tokens[start - 2] === "not" && tokens[start - 3] === "if") continue;
    if (before === "on" && makesIndex(tokens, statement)) continue; // elsewhere it is a condition
    const inCatalog = start === i - 1 || tokens[start] === "pg_catalog";
    const effect = inCatalog ? SESSION_FUNCTIONS.get(name) : undefined;
    if (effect !== undefined && !(effect === "setting" && setsLocally(tokens, i - 1))) effects.add(effect);
    if (effect === undefined && !(inCatalog && isHarmless(name))) names.add(name);
  }
  return { effects, names: [...names] };
}

/** Whether a CREATE [UNIQUE] INDEX begins at `index`. */
function makesIndex(tokens: readonly string[], index: number): boolean {
  return tokens[index] === "create" &&
    tokens[tokens[index + 1] === "unique" ? index + 2 : index + 1] === "index";
}

/** Words of the arguments of a call that are looked at. */
const ARGUMENT_WORDS_MAX = 300;

/**
 * Whether the set_config at `index` of a statement's tokens sets for the transaction alone: it is called with three arguments,
 * and the last is the word `true` and nothing else.
 */
export function setsLocally(tokens: readonly string[], index: number): boolean {
  if (tokens[index + 1] !== "(") return false;
  const end = Math.min(tokens.length, index + ARGUMENT_WORDS_MAX);
  let [depth, commas] = [0, 0];
  for (let i = index + 1; i < end; i++) {
    const token = tokens[i]!;
    if (token === "(" || token === "[") depth++;
    else if (token === "," && depth === 1) commas++;
    else if ((token === ")" || token === "]") && --depth === 0) {
      return commas === 2 && tokens[i - 1] === "true" && tokens[i - 2] === ",";
    }
  }
  return false;
}
