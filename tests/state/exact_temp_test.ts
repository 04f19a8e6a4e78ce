import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, execute, parse } = frontend;

/** Objects of the temporary schema that are neither relations nor routines nor types. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE TABLE plain (a int, b int);
    CREATE FUNCTION make_it(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; END $$;
    CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config(name, value, false); END $$;
    CREATE FUNCTION set_buffers() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET temp_buffers = '2MB'; END $$;
    CREATE FUNCTION set_buffers_too() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_buffers(); END $$;`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** One kind of them. */
interface Kind {
  readonly what: string;
  readonly create: string;
  /** Uses it, or at least finds it. */
  readonly use: string;
  readonly drop: string;
  /** Its catalogue, and the column that holds the schema. */
  readonly catalogue: readonly [table: string, schema: string];
}

const mine = ([table, schema]: Kind["catalogue"]) =>
  `SELECT count(*) FROM ${table} WHERE ${schema} = pg_my_temp_schema()`;
/** Those that any backend's temporary schema holds. */
const anybodys = ([table, schema]: Kind["catalogue"]) =>
  `SELECT count(*) FROM ${table} JOIN pg_namespace n ON n.oid = ${schema} WHERE nspname LIKE 'pg\\_temp\\_%'`;

const KINDS: readonly Kind[] = [
  {
    what: "collation",
    create: `CREATE COLLATION pg_temp.mine FROM "C"`,
    use: "SELECT 'a' COLLATE pg_temp.mine < 'b'",
    drop: "DROP COLLATION pg_temp.mine",
    catalogue: ["pg_collation", "collnamespace"],
  },
  {
    what: "text search configuration",
    create: "CREATE TEXT SEARCH CONFIGURATION pg_temp.mine (COPY = simple)",
    use: "SELECT to_tsvector('pg_temp.mine', 'Rats')",
    drop: "DROP TEXT SEARCH CONFIGURATION pg_temp.mine",
    catalogue: ["pg_ts_config", "cfgnamespace"],
  },
  {
    what: "text search dictionary",
    create: "CREATE TEXT SEARCH DICTIONARY pg_temp.mine (TEMPLATE = simple)",
    use: "SELECT ts_lexize('pg_temp.mine', 'Rats')",
    drop: "DROP TEXT SEARCH DICTIONARY pg_temp.mine",
    catalogue: ["pg_ts_dict", "dictnamespace"],
  },
  {
    what: "text search parser",
    create:
      "CREATE TEXT SEARCH PARSER pg_temp.mine (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    use: "SELECT count(*) FROM ts_parse('pg_temp.mine', 'a b')",
    drop: "DROP TEXT SEARCH PARSER pg_temp.mine",
    catalogue: ["pg_ts_parser", "prsnamespace"],
  },
  {
    what: "text search template",
    create: "CREATE TEXT SEARCH TEMPLATE pg_temp.mine (LEXIZE = dsimple_lexize, INIT = dsimple_init)",
    use: "SELECT 1",
    drop: "DROP TEXT SEARCH TEMPLATE pg_temp.mine",
    catalogue: ["pg_ts_template", "tmplnamespace"],
  },
  {
    what: "conversion",
    create: "CREATE CONVERSION pg_temp.mine FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    use: "SELECT 1",
    drop: "DROP CONVERSION pg_temp.mine",
    catalogue: ["pg_conversion", "connamespace"],
  },
  {
    what: "operator",
    create: "CREATE OPERATOR pg_temp.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    use: "SELECT 1 OPERATOR(pg_temp.===) 1",
    drop: "DROP OPERATOR pg_temp.=== (int, int)",
    catalogue: ["pg_operator", "oprnamespace"],
  },
  {
    what: "operator class",
    create: "CREATE OPERATOR CLASS pg_temp.mine FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, " +
      "OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int)",
    use: "SELECT count(*) FROM pg_opfamily WHERE opfnamespace = pg_my_temp_schema()",
    drop: "DROP OPERATOR FAMILY pg_temp.mine USING btree CASCADE",
    catalogue: ["pg_opclass", "opcnamespace"],
  },
  {
    what: "operator family",
    create: "CREATE OPERATOR FAMILY pg_temp.mine USING hash",
    use: "SELECT 1",
    drop: "DROP OPERATOR FAMILY pg_temp.mine USING hash",
    catalogue: ["pg_opfamily", "opfnamespace"],
  },
  {
    what: "object of statistics",
    create: "CREATE STATISTICS pg_temp.mine ON a, b FROM plain",
    use: "ALTER STATISTICS pg_temp.mine SET STATISTICS 100",
    drop: "DROP STATISTICS pg_temp.mine",
    catalogue: ["pg_statistic_ext", "stxnamespace"],
  },
  {
    what: "aggregate",
    create: "CREATE AGGREGATE pg_temp.mine (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
    use: "SELECT pg_temp.mine(v) FROM generate_series(1, 3) v",
    drop: "DROP AGGREGATE pg_temp.mine (int)",
    catalogue: ["pg_proc", "pronamespace"],
  },
  {
    what: "procedure",
    create: "CREATE PROCEDURE pg_temp.mine() LANGUAGE sql AS 'SELECT 1'",
    use: "CALL pg_temp.mine()",
    drop: "DROP PROCEDURE pg_temp.mine()",
    catalogue: ["pg_proc", "pronamespace"],
  },
  {
    what: "domain",
    create: "CREATE DOMAIN pg_temp.mine AS int CHECK (value > 0)",
    use: "SELECT 1::pg_temp.mine",
    drop: "DROP DOMAIN pg_temp.mine",
    catalogue: ["pg_type", "typnamespace"],
  },
  {
    what: "range type",
    create: "CREATE TYPE pg_temp.mine AS RANGE (SUBTYPE = int)",
    use: "SELECT pg_temp.mine(1, 2)",
    drop: "DROP TYPE pg_temp.mine",
    catalogue: ["pg_type", "typnamespace"],
  },
];

const scripts = ({ what, create, use, drop, catalogue }: Kind): Compared[] => [
  {
    name: `A temporary ${what} is its maker's, until it is dropped`,
    pins: true,
    steps: [
      create,
      use,
      { everywhere: mine(catalogue) },
      { b: mine(catalogue) },
      { b: "DISCARD TEMP" },
      mine(catalogue),
      { b: "DISCARD ALL" },
      use,
      mine(catalogue),
      drop,
      mine(catalogue),
      { everywhere: mine(catalogue) },
      create,
      "DISCARD TEMP",
      mine(catalogue),
    ],
    // In a pool of one nobody else is there while it is kept, whatever it is.
    pools: what === "collation" ? ["one", "two"] : ["two"],
  },
  {
    name: `A temporary ${what} goes with its client`,
    pins: true,
    steps: [
      create,
      mine(catalogue),
      { leaves: anybodys(catalogue).replace("count(*)", "count(*) = 0") },
      { everywhere: mine(catalogue) },
    ],
  },
];

comparedTests(served, KINDS.flatMap(scripts));

const [{ create, use, drop, catalogue }] = KINDS as [Kind];
const quoted = create.replaceAll("'", "''");

comparedTests(
  served,
  ([
    ["a DO block", [`DO $$ BEGIN ${create}; END $$`]],
    ["a function", [`SELECT make_it('${quoted}')`]],
    ["the search_path", ["SET search_path = pg_temp", `CREATE COLLATION mine FROM pg_catalog."C"`]],
    ["a text of 20,000 bytes", [`/*${"p".repeat(20_000)}*/ ${create}`]],
    ["a prepared statement of a function", [
      "PREPARE m(text) AS SELECT make_it($1)",
      `EXECUTE m('${quoted}')`,
    ]],
  ] as const).map(([what, made]): Compared => ({
    name: `A temporary object that is made by ${what} is its maker's`,
    pins: true,
    steps: [
      ...made,
      { everywhere: mine(catalogue) },
      use,
      { b: "DISCARD TEMP" },
      use,
      mine(catalogue),
      "SELECT collname, collnamespace = pg_my_temp_schema() FROM pg_collation WHERE collname = 'mine'",
      drop,
      mine(catalogue),
    ],
  })),
);

/** A backend that has used temporary tables lets nobody set temp_buffers any more. */
const USED = {
  b: "BEGIN; CREATE TEMP TABLE used (v int) ON COMMIT DROP; INSERT INTO used VALUES (1); COMMIT",
};

comparedTests(
  served,
  ([
    ["by SET", "SET temp_buffers = '2MB'"],
    ["by SET in a query of several", "SELECT 1; SET temp_buffers = '2MB'"],
    ["in a transaction", "BEGIN; SET SESSION temp_buffers = '2MB'; SHOW temp_buffers; COMMIT"],
    ["for a transaction", "BEGIN; SET LOCAL temp_buffers = '2MB'; SHOW temp_buffers; COMMIT"],
    ["by SET in a DO block", "DO $$ BEGIN SET temp_buffers = '2MB'; END $$"],
    ["by set_config", "SELECT set_config('temp_buffers', '2MB', false)"],
    ["by set_config for a transaction", "SELECT set_config('temp_buffers', '2MB', true)"],
    ["by a function that is given its name", "SELECT set_it('temp_buffers', '2MB')"],
    ["by a function", "SELECT set_buffers()"],
    ["by a function that is called by a function", "SELECT set_buffers_too()"],
    ["by SET in a batch", [parse("SET temp_buffers = '2MB'"), bind(), execute()]],
    ["by a named statement", [
      parse("SET temp_buffers = '2MB'", { name: "s" }),
      bind({ statement: "s" }),
      execute(),
    ]],
    ["by set_config in a DO block", "DO $$ BEGIN PERFORM set_config('temp_buffers', '2MB', false); END $$"],
  ] as [string, string | Uint8Array[]][]).map(([how, set]): Compared => ({
    name: `temp_buffers is set ${how}, though others have used temporary tables, and kept`,
    steps: [
      USED,
      set,
      "SHOW temp_buffers",
      USED,
      "SHOW temp_buffers",
      "SET work_mem = '5MB'",
      "SHOW temp_buffers",
      "RESET temp_buffers",
      "SHOW temp_buffers",
    ],
  })),
);
