import { isName } from "./sql_tokens.ts";

/** Words that may stand before a parenthesis without calling anything: keywords and names of types. */
const NOT_CALLS: ReadonlySet<string> = words(`
  all and any array as asc between bigint bit boolean by case cast char character check collate columns conflict constraint cross
  cube date decimal default desc distinct double else end escape except exists extract false filter first float for foreign
  from full generated group grouping having ilike in include inner int integer intersect interval into is join key last
  lateral left like limit materialized merge natural nchar not null numeric nvarchar of offset on only or order ordinality
  outer over overlaps partition precision primary range real recursive references returning right rollup row rows select set
  sets similar smallint some symmetric table tablesample text then time timestamp timestamptz to true union unique unknown
  update using values varchar varying when where window with within without zone
`);

/**
 * Functions of pg_catalog that are called everywhere and change no session state. Not a catalogue: one that is missing here only
 * makes a statement probed each time.
 */
export const HARMLESS_CALLS: ReadonlySet<string> = words(`
  abs age array_agg array_append array_cat array_length array_position array_remove array_sample array_shuffle array_to_json array_to_string array_upper
  ascii avg bit_and bit_length bit_or bool_and bool_or btrim cardinality cbrt ceil ceiling char_length chr clock_timestamp
  coalesce col_description concat concat_ws convert_from convert_to cos count cume_dist current_database current_schema
  current_schemas current_setting date_bin date_part date_trunc decode degrees dense_rank encode every exp first_value floor
  format format_type gen_random_uuid generate_series generate_subscripts greatest has_database_privilege has_schema_privilege
  has_table_privilege hashtext initcap isfinite json_agg json_array_elements json_array_elements_text json_array_length
  json_build_array json_build_object json_each json_each_text json_object json_object_agg json_object_keys json_populate_record
  json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
  jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
  jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
  jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_populate_record
  jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
  justify_interval lag last_value lead least left length ln log lower lpad ltrim make_date make_interval make_time
  make_timestamp make_timestamptz max md5 min mod mode nextval now nth_value ntile nullif num_nonnulls num_nulls numrange
  obj_description octet_length overlay parse_ident percent_rank percentile_cont percentile_disc pg_backend_pid
  pg_catalog pg_column_size pg_database_size pg_encoding_to_char pg_get_constraintdef pg_get_expr pg_get_function_arguments
  pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_ruledef
  pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_is_in_recovery pg_listening_channels pg_notify
  pg_postmaster_start_time
  pg_relation_size pg_size_pretty pg_sleep pg_table_is_visible pg_table_size pg_total_relation_size pg_trigger_depth pg_type_is_visible
  pg_typeof pi position power quote_ident quote_literal quote_nullable radians random random_normal rank regexp_match regexp_matches
  regexp_replace regexp_split_to_array regexp_split_to_table repeat replace reverse right round row_number row_to_json rpad
  rtrim setval sha256 sign sin split_part sqrt starts_with statement_timestamp stddev string_agg string_to_array
  string_to_table strpos substr substring sum tan timeofday timezone to_char to_date to_hex to_json to_jsonb to_number
  to_regclass to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim trunc ts_headline ts_rank
  tstzrange txid_current unnest upper uuid_generate_v4 uuidv4 uuidv7 variance version websearch_to_tsquery width_bucket xmlelement
`);

/** Names of functions by which a text may call without being {@link callsUnknown}, where the database has one of its own. */
export function* namesTakenForHarmless(): Generator<string> {
  yield* NOT_CALLS;
  yield* HARMLESS_CALLS;
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/**
 * Whether a statement calls a function of which nothing is known: it may do anything to the session, today or with other
 * arguments tomorrow. `tokens` are its tokens without white space and comments, words in lower case, `"` before a quoted name.
 */
export function callsUnknown(tokens: readonly string[]): boolean {
  for (let i = 1; i < tokens.length; i++) {
    if (tokens[i] !== "(") continue;
    const name = tokens[i - 1]!;
    if (!isName(name) || NOT_CALLS.has(name)) continue;
    let start = i - 1;
    while (tokens[start - 1] === "." && start >= 2) start -= 2;
    // INSERT INTO t (…), COPY t (…), WITH q (…) AS, CREATE INDEX ON t (…): a list of columns.
    const before = tokens[start - 1] ?? "";
    if (/^(into|copy|with|recursive|references)$/.test(before)) continue;
    if (before === "on" && tokens[0] === "create") continue; // elsewhere it is a condition
    const inCatalog = start === i - 1 || tokens[start] === "pg_catalog";
    if (!inCatalog || !HARMLESS_CALLS.has(name)) return true;
  }
  return false;
}
