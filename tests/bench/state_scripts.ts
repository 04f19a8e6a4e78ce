/** One pgbench script about session state, and with how many clients it is usually run. */
export interface StateScript {
  readonly text: string;
  readonly clients: readonly number[];
}

const ROW = "\\set x random(1, 1000)";
const SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = :x;";

/** What the cases `state:*` run, by the middle part of their names, in the order of the report. */
export const STATE_SCRIPTS = {
  "set-config-local": script(
    ROW,
    "BEGIN;",
    "SELECT set_config('app.tenant', ':x', true);",
    SELECT,
    "COMMIT;",
  ),
  "set": { ...script(ROW, "SET app.tenant = ':x';", SELECT), clients: [16, 64] },
  "set-search-path": script(ROW, "SET search_path = public;", SELECT),
  "set-timeout": script(ROW, "SET statement_timeout = '5s';", SELECT, "SET statement_timeout = 0;"),
  "discard-all": script(ROW, "DISCARD ALL;", SELECT),
  "driver-reset": script(
    ROW,
    SELECT,
    "SELECT pg_advisory_unlock_all();",
    "CLOSE ALL;",
    "UNLISTEN *;",
    "RESET ALL;",
  ),
  "set-role": script("SET ROLE app;", "SELECT 1;", "RESET ROLE;"),
  "function": script(ROW, "SELECT addone(:x);"),
  "call": script("CALL nothing();"),
  "do": script("DO $$ BEGIN PERFORM 1; END $$;"),
  "xact-lock": script(ROW, "SELECT pg_try_advisory_xact_lock(:x);"),
  "temp-table": script(
    ROW,
    "BEGIN;",
    "CREATE TEMP TABLE t(x int) ON COMMIT DROP;",
    "INSERT INTO t VALUES (:x);",
    "COMMIT;",
  ),
  "set-local": script(ROW, "BEGIN;", "SET LOCAL work_mem = '8MB';", SELECT, "COMMIT;"),
} satisfies Readonly<Record<string, StateScript>>;

/** The middle part of the name of a case `state:*`. */
export type StateName = keyof typeof STATE_SCRIPTS;

/** All of {@link STATE_SCRIPTS}, in their order. */
export const STATE_NAMES = Object.keys(STATE_SCRIPTS) as readonly StateName[];

/**
 * What {@link STATE_SCRIPTS} need beside pgbench's tables. The role may do everything with these: a pooler that does not keep
 * sessions apart leaves it behind for others.
 */
export const STATE_SETUP = `
CREATE ROLE app;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
CREATE FUNCTION addone(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN x + 1; END $$;
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS $$ BEGIN END $$;
`;

function script(...lines: string[]): StateScript {
  return { text: lines.join("\n") + "\n", clients: [16] };
}
