import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, execute, parse } = frontend;

/** A backend keeps the plans of routines, with the literals as they were read when they were made. */
const CASES: readonly Compared[] = [
  {
    name: "Literals in a routine are read by the time zone of who calls it",
    steps: [
      { b: "SET TimeZone = 'Asia/Tokyo'" },
      { b: "SELECT at()" },
      "SELECT at()",
      { b: "SELECT at()" },
    ],
  },
  {
    name: "A time zone for one transaction is no other's",
    steps: [
      { b: "BEGIN" },
      { b: "SET LOCAL TimeZone = 'Asia/Tokyo'" },
      { b: "SELECT at_1()" },
      { b: "COMMIT" },
      "SELECT at_1()",
    ],
  },
  {
    name: "A time zone that is set in a transaction and rolled back is no other's",
    steps: [
      { b: "BEGIN" },
      { b: "SET TimeZone = 'Asia/Tokyo'" },
      { b: "SELECT at_2()" },
      { b: "ROLLBACK" },
      "SELECT at_2()",
    ],
  },
  {
    name: "What a trigger writes is read by the time zone of who inserts",
    steps: [
      "CREATE TABLE e (at timestamptz)",
      "CREATE TRIGGER t BEFORE INSERT ON e FOR EACH ROW EXECUTE FUNCTION stamp()",
      { b: "SET TimeZone = 'Asia/Tokyo'" },
      { b: "INSERT INTO e VALUES (NULL)" },
      "INSERT INTO e VALUES (NULL)",
      "SELECT at FROM e ORDER BY at",
      "DROP TABLE e",
    ],
  },
  {
    name: "Dates, intervals and numbers in a routine are read as who calls it has set",
    steps: [
      { b: "SET DateStyle = 'ISO, DMY'; SET IntervalStyle = sql_standard; SET extra_float_digits = -3" },
      { b: "SELECT others()" },
      "SELECT others()",
      { b: "SELECT others()" },
    ],
  },
  {
    name:
      "Settings that no server reports, and those that are back before it would, are no other's in a routine",
    steps: [
      { b: "BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'; SELECT at_3(); COMMIT" },
      "SELECT at_3()",
      { b: "BEGIN" },
      { b: "SET LOCAL extra_float_digits = -10" },
      { b: "SELECT number()" },
      { b: "COMMIT" },
      "SELECT number()",
    ],
  },
  {
    name:
      "Literals of a prepared statement are read as they were when it was prepared, though plans are forgotten",
    steps: [
      [parse("SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')", { name: "p" })],
      [parse("SELECT extract(epoch FROM timestamptz '2024-02-01 00:00')")],
      [bind({ statement: "p" }), execute()],
      "PREPARE q AS SELECT extract(epoch FROM timestamptz '2024-03-01 00:00')",
      "SET TimeZone = 'Asia/Tokyo'",
      [bind({ statement: "p" }), execute()],
      { b: "SELECT 1" },
      "EXECUTE q",
      [bind({ statement: "p" }), execute()],
      "SET app.tenant = '1'",
      "SET app.tenant = '2'",
      [bind({ statement: "p" }), execute()],
      "EXECUTE q",
    ],
  },
  {
    name: "A routine in SQL reads by the time zone of who calls it",
    steps: [
      { b: "SET TimeZone = 'Asia/Tokyo'" },
      { b: "SELECT in_sql()" },
      "SELECT in_sql()",
      { b: "SELECT in_sql()" },
    ],
  },
];

const setup = `${CROWD_SETUP};
${
  ["at", "at_1", "at_2", "at_3"].map((name) =>
    `CREATE FUNCTION ${name}() RETURNS float8 LANGUAGE plpgsql
 AS $$ BEGIN RETURN extract(epoch FROM timestamptz '2024-01-01 00:00'); END $$;`
  ).join("\n")
}
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
 AS $$ BEGIN NEW.at := timestamptz '2024-01-01 00:00'; RETURN NEW; END $$;
CREATE FUNCTION others() RETURNS text LANGUAGE plpgsql
 AS $$ BEGIN RETURN to_char(date '01/02/2024', 'YYYY-MM-DD') || extract(epoch FROM interval '-1 2:03:04') || 0.1::float8; END $$;
CREATE FUNCTION number() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 0.123456789012345::float8; END $$;
CREATE FUNCTION in_sql() RETURNS float8 LANGUAGE sql VOLATILE SECURITY DEFINER
 AS $$ SELECT extract(epoch FROM timestamptz '2024-01-01 00:00') $$`;

for (const major of [14, 18] as const) {
  const served = new Served({
    major,
    setup,
    pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
  });
  comparedTests(served, CASES.map((one) => ({ ...one, name: `${one.name}, on ${major}` })));
}
