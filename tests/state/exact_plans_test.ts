import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
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
    name: "What is planned behind a RESET ALL that is rolled back is nobody else's",
    alone: true,
    steps: [
      "SET TimeZone = 'Asia/Tokyo'",
      { b: "SET TimeZone = 'Asia/Tokyo'" },
      "SELECT 1",
      { b: "SELECT 1" },
      { b: "BEGIN; RESET ALL; SELECT at_10(); ROLLBACK" },
      "SELECT at_10()",
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

/** A setting that holds for a while, and is gone before anybody looks: what PL/pgSQL functions call is planned meanwhile. */
const TOKYO = "'Asia/Tokyo'";
const WAYS: readonly (readonly [what: string, steps: readonly (string | Uint8Array[])[], look: string])[] = [
  ["the header of a function", ["SELECT headed()"], "SELECT at_4()"],
  ["the header of a function, which no server reports", ["SELECT digits()"], "SELECT number_1()"],
  [
    "the header of a function above a trigger",
    ["SELECT inserting()"],
    "INSERT INTO e_1 VALUES (NULL) RETURNING at",
  ],
  ["the header of a trigger's function", ["INSERT INTO e_2 VALUES (NULL)"], "SELECT at_5()"],
  ["the header of a trigger's function, below a function", ["SELECT inserting_2()"], "SELECT at_5()"],
  ["a function by SET LOCAL", ["SELECT local()"], "SELECT at_6()"],
  ["a function by set_config", ["SELECT configured()"], "SELECT at_7()"],
  ["a function that takes any name, in a transaction that is rolled back", [
    "BEGIN",
    "SELECT conf('extra_float_digits', '-10')",
    "SELECT number_2()",
    "ROLLBACK",
  ], "SELECT number_2()"],
  ["a function that takes any name, in one query", [
    `BEGIN; SELECT conf('TimeZone', ${TOKYO}); SELECT at_8(); ROLLBACK`,
  ], "SELECT at_8()"],
  ["a computed name", [`SELECT set_config('Time' || 'Zone', ${TOKYO}, true), at_9()`], "SELECT at_9()"],
  ["a bound name", [
    "BEGIN",
    [parse("SELECT set_config($1, $2, true)"), bind({ values: ["extra_float_digits", "-10"] }), execute()],
    "SELECT number_3()",
    "COMMIT",
  ], "SELECT number_3()"],
  ["a name with a comment in it", [
    `SET TIME/**/ZONE ${TOKYO}; SELECT at_11(); SET TIME/**/ZONE DEFAULT`,
  ], "SELECT at_11()"],
  ["dynamic SQL", [`SELECT dynamic('SET LOCAL TimeZone = ''Asia/Tokyo'''), at_12()`], "SELECT at_12()"],
];

/** Several times first, as it is known by then, or trusted. */
function planned([what, steps, look]: typeof WAYS[number]): Compared {
  const once = steps.map((b): ComparedStep => ({ b }));
  return {
    name: `What is planned by a setting of ${what} is nobody else's`,
    alone: true,
    steps: [...once, ...once, ...once, ...once, ...once, look],
  };
}

const setup = `${CROWD_SETUP};
${
  ["at", ...Array.from({ length: 12 }, (_, i) => `at_${i + 1}`)].map((name) =>
    `CREATE FUNCTION ${name}() RETURNS float8 LANGUAGE plpgsql
 AS $$ BEGIN RETURN extract(epoch FROM timestamptz '2024-01-01 00:00'); END $$;`
  ).join("\n")
}
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
 AS $$ BEGIN NEW.at := timestamptz '2024-01-01 00:00'; RETURN NEW; END $$;
CREATE FUNCTION others() RETURNS text LANGUAGE plpgsql
 AS $$ BEGIN RETURN to_char(date '01/02/2024', 'YYYY-MM-DD') || extract(epoch FROM interval '-1 2:03:04') || 0.1::float8; END $$;
${
  ["number", "number_1", "number_2", "number_3"].map((name) =>
    `CREATE FUNCTION ${name}() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (0.123456789012345::float8)::text; END $$;`
  ).join("\n")
}
CREATE FUNCTION headed() RETURNS float8 LANGUAGE plpgsql SET TimeZone = ${TOKYO} AS $$ BEGIN RETURN at_4(); END $$;
CREATE FUNCTION digits() RETURNS text LANGUAGE plpgsql SET extra_float_digits = -10
 AS $$ BEGIN RETURN number_1(); END $$;
CREATE TABLE e_1 (at timestamptz); CREATE TABLE e_2 (at timestamptz);
CREATE FUNCTION inserting() RETURNS void LANGUAGE plpgsql SET TimeZone = ${TOKYO}
 AS $$ BEGIN INSERT INTO e_1 VALUES (NULL); END $$;
CREATE FUNCTION inserting_2() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO e_2 VALUES (NULL); END $$;
CREATE FUNCTION stamp_1() RETURNS trigger LANGUAGE plpgsql
 AS $$ BEGIN NEW.at := timestamptz '2024-01-01 00:00'; RETURN NEW; END $$;
CREATE FUNCTION stamp_2() RETURNS trigger LANGUAGE plpgsql SET TimeZone = ${TOKYO}
 AS $$ BEGIN NEW.at := to_timestamp(at_5()); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON e_1 FOR EACH ROW EXECUTE FUNCTION stamp_1();
CREATE TRIGGER t BEFORE INSERT ON e_2 FOR EACH ROW EXECUTE FUNCTION stamp_2();
CREATE FUNCTION local() RETURNS float8 LANGUAGE plpgsql
 AS $$ DECLARE v float8; BEGIN SET LOCAL TimeZone = ${TOKYO}; v := at_6(); SET LOCAL TimeZone = 'UTC'; RETURN v; END $$;
CREATE FUNCTION configured() RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE v float8; BEGIN
 PERFORM set_config('TimeZone', ${TOKYO}, true); v := at_7(); PERFORM set_config('TimeZone', 'UTC', true); RETURN v; END $$;
CREATE FUNCTION conf(a text, b text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN set_config(a, b, false); END $$;
CREATE FUNCTION dynamic(s text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE s; END $$;
CREATE FUNCTION in_sql() RETURNS float8 LANGUAGE sql VOLATILE SECURITY DEFINER
 AS $$ SELECT extract(epoch FROM timestamptz '2024-01-01 00:00') $$`;

for (const major of [14, 18] as const) {
  const served = new Served({
    major,
    setup,
    pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
  });
  comparedTests(
    served,
    [...CASES, ...WAYS.map(planned)].map((one) => ({ ...one, name: `${one.name}, on ${major}` })),
  );
}
