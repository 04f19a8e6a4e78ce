import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP, SET_IT_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { int16, int32, int8, message } = frontend;

/** Names of custom settings that a statement hands to a function of the database's own, which sets them. */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP + SET_IT_SETUP,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** One character is one byte in all that follows. */
const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const query = (sql: string) => message("Q", bytes(`${sql}\0`));
const parse = (sql: string) => message("P", bytes(`\0${sql}\0`), int16(0));
const parameter = (value: string) => [int32(value.length), bytes(value)];
const bind = (...values: string[]) =>
  message("B", bytes("\0\0"), int16(0), int16(values.length), ...values.flatMap(parameter), int16(0));
const execute = message("E", int8(0), int32(0));

/** More than pgplex holds of a Parse, and of a query. */
const LONG = `/* ${"x".repeat(70_000)} */`;

/** How a name comes to the function. Each test has names of its own: what a database has heard once it knows. */
const WAYS: Readonly<Record<string, (name: string) => ComparedStep>> = {
  "in a query": (name) => query(`SELECT set_it('${name}', 'its value')`),
  "in a Parse": (name) => [parse(`SELECT set_it('${name}', 'its value')`), bind(), execute],
  "as a parameter": (name) => [parse("SELECT set_it($1, $2)"), bind(name, "its value"), execute],
  "as a long parameter": (name) => [
    parse("SELECT set_it(split_part($1, ' ', 1), $2)"),
    bind(`${name} ${"x".repeat(70_000)}`, "its value"),
    execute,
  ],
  "in a long query": (name) => query(`${LONG} SELECT set_it('${name}', 'its value')`),
  "in a query with something long behind": (name) => query(`SELECT set_it('${name}', 'its value') ${LONG}`),
  "in a long Parse": (name) => [parse(`${LONG} SELECT set_it('${name}', 'its value')`), bind(), execute],
  "in a Parse with something long behind": (name) => [
    parse(`SELECT set_it('${name}', 'its value') ${LONG}`),
    bind(),
    execute,
  ],
};

/** How the names are written. */
const ENCODINGS: Readonly<Record<string, string>> = { UTF8: "\xc3\xa9", LATIN1: "\xe9", LATIN5: "\xe9" };

const SCRIPTS: readonly Compared[] = Object.entries(WAYS).flatMap(([way, put], index) =>
  Object.entries(ENCODINGS).map(([encoding, letter]): Compared => {
    const plain = `handed.${encoding}${index}`.toLowerCase();
    const read = (name: string) => `SELECT nullif(current_setting('${name}'||'', true), '')`;
    return {
      name: `A setting whose name is handed to a function ${way} is kept, in ${encoding}`,
      steps: [
        `SET client_encoding = ${encoding}`,
        put(plain),
        read(plain),
        put(plain + letter),
        "SET client_encoding = UTF8",
        read(`${plain}é`),
        read(plain),
      ],
    };
  })
);

comparedTests(served, SCRIPTS);
