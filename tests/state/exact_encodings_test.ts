import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { int8, message } = frontend;

/** Names and values that are not ASCII, in whichever encoding they were written, are what they were in another. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP}
    CREATE ROLE "rolé" LOGIN; GRANT crowd TO "rolé"; CREATE ROLE "ro☃"; CREATE SCHEMA "sché";
    CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config(name, value, false); END $$;
  `,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
  },
});

const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
/** A query whose bytes are LATIN1. */
const inLatin = (sql: string) => message("Q", latin(sql), int8(0));

const SCRIPTS: readonly Compared[] = [
  {
    name: "A value that LATIN1 cannot write is there again behind LATIN1",
    steps: [
      "SET my.v = 'x☃'",
      "SHOW my.v",
      "SET client_encoding = LATIN1",
      "SELECT 1",
      "SELECT length(current_setting('my.v'))",
      "SHOW my.v",
      "SET client_encoding = UTF8",
      "SHOW my.v",
      "SELECT length(current_setting('my.v')), current_setting('my.v')",
    ],
    errors: ["22P05"],
  },
  {
    name: "A value that was written in LATIN1 is the same in UTF8, and the other way round",
    steps: [
      "SET client_encoding = LATIN1",
      inLatin("SET my.v = 'x\xe9'"),
      "SHOW my.v",
      "SELECT length(current_setting('my.v'))",
      "SET client_encoding = UTF8",
      "SHOW my.v",
      "SET my.v = 'é and é'",
      "SELECT set_it('my.w', 'ß')",
      "SET client_encoding = LATIN1",
      "SHOW my.v",
      "SHOW my.w",
      "SET work_mem = '5MB'",
      "SET client_encoding = LATIN9",
      "SHOW my.v",
      "RESET client_encoding",
      "SHOW my.v",
      "SELECT length(current_setting('my.v')), length(current_setting('my.w'))",
    ],
  },
  {
    name: "A value and its encoding in one query are what they are one by one",
    steps: [
      "SET my.v = 'x☃'; SET client_encoding = LATIN1",
      "SELECT octet_length(current_setting('my.v'))",
      "SET client_encoding = UTF8; SHOW my.v",
      "SHOW my.v",
      "BEGIN; SET client_encoding = LATIN1",
      inLatin("SET my.v = '\xe9\xe8'"),
      "COMMIT",
      "SELECT octet_length(current_setting('my.v'))",
      "SET client_encoding = UTF8",
      "SHOW my.v",
    ],
  },
  {
    name: "A value is the same under SQL_ASCII, where nothing is converted",
    steps: [
      "SET my.v = 'é'",
      "SET client_encoding = SQL_ASCII",
      "SHOW my.v",
      "SET my.w = 'ü☃'",
      "SELECT octet_length(current_setting('my.w'))",
      "SET client_encoding = UTF8",
      "SHOW my.v",
      "SHOW my.w",
    ],
  },
  {
    name: "A prepared statement with a literal that LATIN1 cannot write works behind LATIN1",
    steps: [
      `PREPARE p AS SELECT 'x☃', length('x☃')`,
      "EXECUTE p",
      "SET client_encoding = LATIN1",
      "SELECT 1",
      "SET client_encoding = UTF8",
      "EXECUTE p",
    ],
  },
  {
    name: "A role whose name is not ASCII is taken in each encoding",
    steps: [
      `SET ROLE "rolé"`,
      "SELECT current_user",
      "SET client_encoding = LATIN1",
      "SELECT current_user",
      "SET work_mem = '5MB'",
      "SELECT current_user",
      "RESET ROLE",
      "SELECT current_user",
      inLatin(`SET ROLE "rol\xe9"`),
      "SELECT current_user",
      "SET client_encoding = UTF8",
      "SELECT current_user",
    ],
  },
  {
    name: "A role whose name LATIN1 cannot write stays taken under LATIN1",
    steps: [
      `SET ROLE "ro☃"`,
      "SET client_encoding = LATIN1",
      "SELECT octet_length(current_user::text)",
      "SHOW work_mem",
      "SET client_encoding = UTF8",
      "SELECT current_user",
      "RESET ROLE",
      "SELECT current_user",
    ],
  },
  {
    name: "A user whose name is not ASCII has his settings, also under LATIN1",
    user: "rolé",
    steps: [
      "SELECT session_user",
      "SET my.v = 'é'",
      "SET client_encoding = LATIN1",
      "SHOW my.v",
      "SELECT octet_length(session_user::text)",
      "SET client_encoding = UTF8",
      "SHOW my.v",
      "SELECT session_user, current_user",
    ],
  },
  {
    name: "A search_path and an application_name that are not ASCII hold in each encoding",
    steps: [
      `SET search_path = "sché", public; SET application_name = 'é'`,
      "SHOW search_path",
      "SHOW application_name",
      "SET client_encoding = LATIN1",
      "SHOW search_path",
      "SHOW application_name",
      "SELECT current_schema()",
      "SET client_encoding = UTF8",
      "SHOW search_path",
      "SELECT current_schema()",
    ],
  },
  {
    name: "A client that logs in with LATIN1 has its values in LATIN1, and RESET goes back there",
    params: { client_encoding: "LATIN1" },
    steps: [
      inLatin("SET my.v = '\xe9'"),
      "SHOW my.v",
      "SET client_encoding = UTF8",
      "SHOW my.v",
      "SET my.w = '☃'",
      "RESET client_encoding",
      "SHOW my.v",
      "SELECT octet_length(current_setting('my.w'))",
      "SET client_encoding = UTF8",
      "SHOW my.w",
    ],
  },
];

comparedTests(served, SCRIPTS);
