import assert from "node:assert/strict";
import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { errorOf, frontend } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, execute, parse, query } = frontend;

/** Statements that pgplex answers without a server connection: what follows is as if a server had done it. */
const CASES: readonly [what: string, errors: readonly string[], ...steps: ComparedStep[]][] = [
  [
    "a time limit holds, as SHOW shows it",
    [],
    "SET statement_timeout = '90s'",
    "SHOW statement_timeout",
    "SET statement_timeout = 5000",
    "SHOW statement_timeout",
    "set session statement_timeout to '120min';",
    "SHOW statement_timeout",
    "SET lock_timeout = '1441min'",
    "SHOW lock_timeout",
    "SET idle_in_transaction_session_timeout = 86400000",
    "SHOW idle_in_transaction_session_timeout",
    "SET statement_timeout = 0",
    "SHOW statement_timeout",
    "SET statement_timeout TO '7s'",
    { b: "SHOW statement_timeout" },
    "RESET statement_timeout",
    "SHOW statement_timeout",
  ],
  ["a time limit ends a statement", ["57014"], "SET statement_timeout = '50ms'", "SELECT pg_sleep(20)"],
  [
    "DEFAULT is no schema, whatever is shown",
    [],
    "SELECT set_config('search_path', 'default', false)",
    "SHOW search_path",
    "SET search_path = default",
    "SHOW search_path",
    "SELECT current_schemas(false)",
  ],
  [
    "what a server refuses is its to say",
    ["22023", "22023", "22023", "42601", "42601", "42601"],
    "SET statement_timeout = -1",
    "SET statement_timeout = '5 parsecs'",
    "SET statement_timeout = '3000000000'",
    "SET statement_timeout = 5min",
    "SET search_path = user",
    "SET statement_timeout = 5s",
    "SHOW statement_timeout",
    "SET statement_timeout = '010'",
    "SHOW statement_timeout",
    "SET statement_timeout = '1.5s'",
    "SHOW statement_timeout",
    "SET statement_timeout = default",
    "SHOW statement_timeout",
  ],
  [
    "a search_path of one schema holds, and is reported where servers do",
    [],
    "SET search_path = tenant_1",
    "SELECT * FROM t",
    "SET search_path = Tenant_1",
    "SHOW search_path",
    "SET search_path TO 'public'",
    "SHOW search_path",
    { b: "SHOW search_path" },
    "SET search_path = public",
    "SELECT to_regclass('t')",
    "SET search_path TO 'Tenant_1'",
    "SHOW search_path",
    "SET search_path = default",
    "SHOW search_path",
    "SET search_path = app, public",
    "SHOW search_path",
    "SET search_path = 'app, public'",
    "SHOW search_path",
    "SET search_path = pg_temp_1",
    "SHOW search_path",
    "RESET search_path",
    "SHOW search_path",
  ],
  [
    "a transaction takes back what was set in it, and no more",
    ["22012", "25P02"],
    "SET statement_timeout = '5s'",
    "BEGIN",
    "SET statement_timeout = '6s'",
    "SET search_path = public",
    "ROLLBACK",
    "SHOW statement_timeout",
    "SHOW search_path",
    "BEGIN",
    "SET LOCAL statement_timeout = '7s'",
    "COMMIT",
    "SHOW statement_timeout",
    "BEGIN",
    "SELECT 1 / 0",
    "SET statement_timeout = '8s'",
    "ROLLBACK",
    "SHOW statement_timeout",
  ],
  [
    "RESET ALL takes back what is set, whoever knows of it",
    [],
    "RESET ALL",
    "SET statement_timeout = '5s'",
    "SET search_path = public",
    "RESET ALL",
    "SHOW statement_timeout",
    "SHOW search_path",
    "SELECT set_config('app.' || 'hid' || 'den', 'x', false)",
    "RESET ALL",
    "SELECT current_setting('app.hidden', true)",
    "SET app.tenant = '7'",
    "RESET ALL",
    "SELECT current_setting('app.tenant', true)",
    "SET DateStyle = 'German'",
    "RESET ALL",
    "SHOW DateStyle",
    "RESET ALL;",
  ],
  [
    "CLOSE ALL closes cursors that outlive their transaction",
    ["34000"],
    "CLOSE ALL",
    "BEGIN",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "COMMIT",
    "CLOSE ALL",
    "FETCH c",
    "close all ;",
  ],
  [
    "advisory locks are given back",
    [],
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_advisory_lock(4712)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_advisory_unlock(4712)",
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712",
  ],
  [
    "a custom setting holds that was set before",
    ["22012"],
    "SET app.tenant = '1'",
    "SHOW app.tenant",
    "SET app.tenant = '2'",
    "SHOW app.tenant",
    "SET App.Tenant TO 'it''s';",
    { b: "SELECT coalesce(current_setting('app.tenant', true), '')" },
    "SELECT current_setting('app.tenant')",
    "SET app.tenant = '3'",
    "SET app.tenant = '4'",
    "BEGIN",
    "SELECT current_setting('app.tenant')",
    "SET app.tenant = '5'",
    "ROLLBACK",
    "SHOW app.tenant",
    "SET app.tenant = '6'",
    "SELECT 1 / 0",
    "SHOW app.tenant",
    "SET app.tenant = '7'",
    [parse("SELECT current_setting('app.tenant')"), bind(), execute()],
    "SET app.tenant = ''",
    "SHOW app.tenant",
    "SET app.tenant = '8'",
    "RESET app.tenant",
    "SELECT coalesce(current_setting('app.tenant', true), '')",
    { b: "SELECT coalesce(current_setting('app.tenant', true), '')" },
  ],
  [
    "a setting that a library defined is a server's",
    ["22023", "22023"],
    "SELECT plpgsql_call()",
    "SET plpgsql.variable_conflict = 'use_column'",
    "SHOW plpgsql.variable_conflict",
    "SET plpgsql.variable_conflict = 'bogus'",
    "SHOW plpgsql.variable_conflict",
    "SET plpgsql.variable_conflict = 'use_variable'",
    "SET plpgsql.variable_conflict = 'bogus'",
    "SHOW plpgsql.variable_conflict",
  ],
  [
    "a name that SET does not take stays one",
    ["42601"],
    "SELECT set_config('app.user', '1', false)",
    { b: "SELECT 1" },
    "SET app.user = '2'",
    "SELECT current_setting('app.user')",
  ],
  [
    "a session that is pinned meanwhile stays where it is",
    [],
    "SET app.tenant = '1'",
    "--!pgplex pin\nBEGIN",
    "SET app.tenant = '2'",
    "COMMIT",
    "SELECT current_setting('app.tenant')",
    "--!pgplex unpin\nSELECT 1",
    "SHOW app.tenant",
  ],
  [
    "DISCARD ALL forgets sequences",
    ["55000"],
    "SELECT nextval('numbers')",
    "DISCARD ALL",
    "SELECT currval('numbers')",
    "SELECT setval('numbers', 1, false)",
  ],
  [
    "DISCARD ALL leaves nothing, whoever knows of it",
    ["26000", "26000"],
    "DISCARD ALL",
    "SET app.tenant = '1'",
    "DISCARD ALL",
    "SELECT current_setting('app.tenant', true)",
    "PREPARE p AS SELECT 1",
    "DISCARD ALL",
    "EXECUTE p",
    [parse("SELECT 1", { name: "q" })],
    "DISCARD ALL;",
    [bind({ statement: "q" })],
    "discard all",
    "CREATE TEMP TABLE gone (x int)",
    "DISCARD ALL",
    "SELECT to_regclass('gone')",
  ],
  [
    "a role's limits are its own",
    [],
    "SET ROLE alice",
    "SET statement_timeout = '5s'",
    "SHOW statement_timeout",
    "SELECT current_user",
    "RESET ROLE",
    "SHOW statement_timeout",
    "SELECT current_user",
  ],
  [
    "a query ends the unnamed statement",
    ["26000"],
    [parse("SELECT 1")],
    "SET statement_timeout = '5s'",
    [bind()],
  ],
  [
    "what a server skips is not done",
    ["26000"],
    [bind({ statement: "nosuch" }), query("SET statement_timeout = '5s'")],
    "SHOW statement_timeout",
  ],
  [
    "what stands behind it in one write finds it",
    [],
    {
      pipeline: [query("SET statement_timeout = '5s'"), query("SHOW statement_timeout"), query("CLOSE ALL")],
      readies: 3,
    },
    {
      pipeline: [query("SELECT 1"), query("SET statement_timeout = '6s'"), query("SHOW statement_timeout")],
      readies: 3,
    },
  ],
  [
    "several statements in one query are a server's",
    ["22012"],
    "SET statement_timeout = '5s'; SELECT 1 / 0",
    "SHOW statement_timeout",
    "CLOSE ALL; UNLISTEN *; RESET ALL",
  ],
];

const setup = [
  CROWD_SETUP,
  "CREATE ROLE alice",
  "CREATE FUNCTION plpgsql_call() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
  "CREATE EXTENSION isn",
  "CREATE SCHEMA tenant_1",
  "CREATE SEQUENCE numbers",
  "CREATE TABLE tenant_1.t AS SELECT 1 AS one",
];

/** It is white space since 16. */
const VERTICAL_TAB = {
  steps: [
    "SET app.t = '1'",
    "SET app.t = '2'",
    "SET\vapp.t = '3'",
    "SHOW app.t",
    "SET app.t =\v'4'",
    "SHOW app.t",
  ],
  errors: { 14: ["42601", "42601"], 18: [] },
};

for (const major of [14, 18] as const) {
  const served = new Served({
    major,
    setup: setup.join(";"),
    pools: {
      one: { default_pool_size: 1 },
      two: { default_pool_size: 2 },
      loaded: { default_pool_size: 1 },
      later: { default_pool_size: 1 },
      trusted: { default_pool_size: 1 },
    },
  });
  comparedTests(
    served,
    CASES.map((
      [what, errors, ...steps],
    ): Compared => ({
      name: `Without a server, on ${major}: ${what}`,
      steps,
      errors,
      // A library is loaded into the connection that needs it.
      ...(what.includes("library") && { pools: ["one" as const] }),
      pins: what.startsWith("CLOSE ALL") || what.startsWith("DISCARD ALL") || what.includes("pinned") ||
        what.startsWith("advisory"),
    })),
  );
  comparedTests(served, [{
    name: `Without a server, on ${major}: a vertical tab is what it is to that server`,
    steps: VERTICAL_TAB.steps,
    errors: VERTICAL_TAB.errors[major],
  }]);
  // isn has had no setting before.
  if (major !== 18) continue;
  Deno.test(`Without a server, on ${major}: a setting of a library that a trusted statement loads is a server's`, async () => {
    const loads = "SELECT isbn('0-393-04002-X')";
    await using first = await served.client("loaded");
    await using second = await served.client("loaded");
    // It is looked at where somebody else wants the connection.
    for (const reader of [first, second, first, second, first, second]) await one(reader, loads);
    await using client = await served.client("trusted");
    await using other = await served.client("trusted");
    await one(client, "SET isn.weak = 'on'");
    await one(other, "SELECT 1");
    await one(client, "SET isn.weak = 'off'");
    await one(other, "SELECT 1");
    await one(client, loads);
    assert.equal(errorOf(await client.query("SET isn.weak = 'bogus'"))?.["C"], "22023");
    await one(other, "SELECT 1");
    assert.equal(await one(client, "SHOW isn.weak"), "off");
  });
  Deno.test(`Without a server, on ${major}: what a library refuses that came later goes back to what it was`, async () => {
    await using client = await served.client("later");
    await using other = await served.client("later");
    await one(client, "SET isn.weak = 'on'");
    await one(other, "SELECT 1");
    await one(client, "SET isn.weak = 'bogus'");
    await one(other, "SELECT isbn('0-393-04002-X')");
    const { C: sqlstate, D: detail } = errorOf(await client.query("SELECT 1"))!;
    assert.deepEqual([sqlstate, detail], ["22023", "The session goes on with what isn.weak was before."]);
    assert.equal(await one(client, "SHOW isn.weak"), "on");
  });
}
