import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { planOf, SCHEMA_VERSIONS } from "./versions.ts";

const NONE = { kind: "none" } as const;
const of = (version: number) => ({ kind: "version", version }) as const;
const count = (plan: ReturnType<typeof planOf>) => plan.kind === "run" ? plan.statements.length : plan.reason;

Deno.test("planOf installs all versions, upgrades from where it is, and does nothing twice", () => {
  const versions = ["CREATE SCHEMA pgplex;", "SELECT 2;\n", "SELECT 3"];
  equal(count(planOf("install", NONE, versions)), 3);
  equal(count(planOf("install", of(3), versions)), 0);
  equal(count(planOf("upgrade", of(1), versions)), 2);
  equal(count(planOf("remove", of(1), versions)), 1);
  equal(count(planOf("remove", NONE, versions)), 0);
  const plan = planOf("upgrade", of(1), versions);
  match(
    plan.kind === "run" ? plan.statements[0]! : "",
    /version\) <> 1[^]*SELECT 2;\nUPDATE pgplex\.version SET version = 2/,
  );
});

Deno.test("planOf touches neither somebody else's schema nor one of a later pgplex", () => {
  for (const command of ["install", "upgrade", "remove"] as const) {
    match(String(count(planOf(command, { kind: "foreign" }))), /left alone/);
  }
  match(String(count(planOf("upgrade", of(SCHEMA_VERSIONS.length + 1)))), /this pgplex knows/);
  match(String(count(planOf("upgrade", NONE))), /install it/);
});

Deno.test("every function of the schema has a fixed search_path and is nobody's unless granted", () => {
  const sql = SCHEMA_VERSIONS.join("\n");
  const functions = sql.match(/CREATE FUNCTION/g) ?? [];
  deepEqual(
    [functions.length, sql.match(/SECURITY DEFINER SET search_path = pg_catalog, pg_temp/g)?.length],
    [8, 8].map(() => functions.length),
  );
  match(sql, /REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgplex FROM PUBLIC/);
});
