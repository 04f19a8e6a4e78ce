import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** Nothing that a client sets makes pgplex lose what the client is, whatever pgplex asks and puts back behind its back. */
const served = new Served({
  major: 18,
  settings: { max_prepared_transactions: "10" },
  setup: `${CROWD_SETUP}
    CREATE ROLE alice; CREATE SCHEMA sa; CREATE SCHEMA evil; CREATE TABLE written (v int);
    CREATE ROLE app LOGIN; GRANT alice, crowd TO app;
    CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
    CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
    CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
    CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
    CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
    CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
    CREATE TABLE evil.pg_settings (name text, setting text); CREATE TABLE evil.pg_class (oid oid);
    GRANT USAGE ON SCHEMA evil, sa TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
    GRANT ALL ON TABLE written TO PUBLIC;
  `,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    revoked_one: { default_pool_size: 1, database: "revoked" },
    revoked_two: { default_pool_size: 2, database: "revoked" },
  },
});

/** Who the session is and what it has set, by ways that work whatever the search_path and the rights are. */
const WHO = ["SELECT current_user, session_user", "SHOW my.v", "SHOW work_mem", "SHOW search_path"];
const SET = "SET my.v = 'of a'; SET search_path = sa, public; SET work_mem = '5MB'";

/** The limits of issue 13, and others like them: `set` must not make a probe fail, nor what pgplex puts back. */
const LIMITS: readonly [name: string, set: string[], more?: Partial<Compared>][] = [
  ["no room for temporary files", ["SET work_mem = '64kB'; SET temp_file_limit = 0; SET search_path = sa"]],
  ["no room for temporary files, each set in a transaction of its own", [
    "SET work_mem = '64kB'",
    "SET temp_file_limit = 0",
    "SET search_path = sa",
  ]],
  ["no room for temporary files, and takes a role in the same query,", [
    "SET work_mem = '64kB'; SET temp_file_limit = 0; SET search_path = sa; SET ROLE alice",
  ]],
  ["a stack that is hardly deep enough", ["SET max_stack_depth = '100kB'"]],
  ["a search_path where functions, operators and views of others stand before pg_catalog", [
    "SET search_path = evil, pg_catalog",
  ]],
  ["row_security off, triggers off, and everything read only", [
    "SET row_security = off; SET session_replication_role = replica; SET default_transaction_read_only = on",
  ]],
  ["a transaction that must be serializable, read only and deferrable", [
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
  ]],
  ["outputs of another kind", [
    "SET DateStyle = 'German'; SET IntervalStyle = sql_standard; SET bytea_output = escape; SET extra_float_digits = -15",
    "SET quote_all_identifiers = on; SET array_nulls = off; SET xmloption = document",
  ]],
  ["backslashes in strings", [
    "SET standard_conforming_strings = off; SET backslash_quote = off; SET escape_string_warning = off; SET my.w = 'a\\\\b''c'",
    "SHOW my.w",
  ]],
  ["hardly any memory for a sort or a hash", [
    "SET work_mem = '64kB'; SET hash_mem_multiplier = 1; SET logical_decoding_work_mem = '64kB'",
  ]],
  ["limits of a second for everything that waits", [
    "SET lock_timeout = '1s'; SET statement_timeout = '1s'; SET transaction_timeout = '1s'; SET idle_in_transaction_session_timeout = '1s'",
  ]],
];

comparedTests(
  served,
  LIMITS.map(([name, set, more = {}]): Compared => ({
    name: `Who sets ${name} stays who it is`,
    steps: [
      SET,
      ...set,
      "SET ROLE alice",
      ...WHO,
      "RESET ROLE",
      ...WHO,
      "SET ROLE alice",
      ...WHO,
      "DISCARD ALL",
    ],
    ...more,
  })),
);

/** Somebody holds the strongest lock on what a probe reads. */
const locks = (table: string): { beside: string }[] => [
  { beside: `BEGIN; LOCK TABLE pg_catalog.${table} IN ACCESS EXCLUSIVE MODE` },
];

comparedTests(
  served,
  ["pg_proc", "pg_authid", "pg_depend", "pg_type"].map((table): Compared => ({
    name: `Who has set lock_timeout stays who it is while somebody locks ${table}`,
    steps: [
      SET,
      "SET lock_timeout = '100ms'",
      ...WHO,
      "SET ROLE alice",
      ...WHO,
      "RESET ROLE",
      ...locks(table),
      "SET work_mem = '6MB'",
      "SHOW work_mem",
      "SHOW my.v",
      "SET my.v = 'while it is locked'",
      "SHOW my.v",
      "SHOW lock_timeout",
      { beside: "ROLLBACK" },
      ...WHO,
      "RESET ALL",
      "SHOW work_mem",
      "SELECT current_user",
    ],
    pins: true,
    withinMs: 150,
  })),
);

comparedTests(served, [
  {
    name: "A role that was taken while somebody locks pg_proc is kept",
    steps: [
      "SET lock_timeout = '100ms'",
      "SET ROLE alice",
      "SELECT current_user",
      "RESET ROLE",
      "SELECT current_user",
      ...locks("pg_proc"),
      "SET ROLE alice",
      "SELECT current_user, session_user",
      { b: "SELECT current_user, session_user" },
      "SELECT current_user, session_user",
      { beside: "ROLLBACK" },
      "SELECT current_user, session_user",
    ],
    pins: true,
    withinMs: 150,
  },
  {
    name: "The role and the path of issue 13's first input are there behind it",
    steps: [
      "SET work_mem = '64kB'",
      "SET temp_file_limit = 0",
      "SET search_path = sa",
      "SET ROLE alice",
      "SELECT current_user",
      "SHOW search_path",
      "SHOW work_mem",
    ],
  },
  {
    name: "A session that is pinned goes on while its limits leave no room for a probe",
    steps: [
      "CREATE TEMP TABLE mine AS SELECT 1 AS v",
      "SET work_mem = '64kB'; SET temp_file_limit = 0; SET ROLE alice",
      "SELECT current_user",
      "RESET ROLE",
      "SELECT v FROM mine",
      ...locks("pg_proc"),
      "SET lock_timeout = '50ms'",
      "SHOW lock_timeout",
      "SELECT v FROM mine",
      { beside: "ROLLBACK" },
      "SELECT v FROM mine",
      "DROP TABLE mine",
      "SET ROLE alice",
      "SELECT current_user",
    ],
    pins: true,
  },
]);

const REVOKE = `REVOKE ALL ON pg_catalog.pg_settings, pg_catalog.pg_proc, pg_catalog.pg_prepared_statements,
  pg_catalog.pg_cursors, pg_catalog.pg_locks, pg_catalog.pg_class, pg_catalog.pg_type, pg_catalog.pg_collation,
  pg_catalog.pg_namespace, pg_catalog.pg_depend FROM PUBLIC`;

comparedTests(
  served,
  [
    { name: "the session's own user", user: "app", role: "app" },
    { name: "the role that it has taken", user: "postgres", role: "alice" },
  ].map(({ name, user, role }): Compared => ({
    name: `Settings and roles hold where the catalogue may not be read by ${name}`,
    user,
    database: "revoked",
    alone: user === "app", // as what keeps its connection there may be anybody
    steps: [
      SET,
      ...(role === user ? [] : [`SET ROLE ${role}`]),
      ...WHO,
      "SET work_mem = '9MB'",
      "SET my.v = 'again'",
      ...WHO,
      "RESET ALL",
      "SHOW work_mem",
      "RESET ROLE",
      "SELECT current_user",
    ],
  })),
  (pool) => `revoked_${pool}`,
);

Deno.test.beforeAll(async () => {
  await served.node.sql("CREATE DATABASE revoked");
  await served.node.sql(REVOKE, "revoked");
});
