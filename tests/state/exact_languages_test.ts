import { type Compared, comparedTests, leftAlone } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** What is downloaded has no other languages: of this major there is an installation with all of them on many machines. */
const BIN = "/usr/lib/postgresql/15/bin";
const LANGUAGES = ["plperl", "plperlu", "plpython3u", "pltcl"];
const missing: string[] = [];
for (
  const path of [
    `${BIN}/postgres`,
    ...LANGUAGES.map((name) => `/usr/share/postgresql/15/extension/${name}.control`),
  ]
) {
  await Deno.stat(path).catch(() => missing.push(path));
}

const SEEDED = "SELECT random() IN (SELECT v FROM seeded)";
const WHO = "SELECT current_user, nullif(current_setting(concat('pl', '.tenant'), true), '')";

const SETUP = `${CROWD_SETUP} ${LANGUAGES.map((name) => `CREATE EXTENSION ${name};`).join(" ")}
  CREATE EXTENSION dblink; CREATE ROLE thief; SELECT pg_replication_origin_create('o');
  CREATE FUNCTION here() RETURNS text LANGUAGE sql AS
    $$ SELECT 'host=127.0.0.1 user=postgres dbname=postgres port=' || current_setting('port') $$;
  CREATE FUNCTION perl_seed() RETURNS void LANGUAGE plperl AS $$ spi_exec_query("SELECT setseed(0.5)"); $$;
  CREATE FUNCTION perl_load() RETURNS void LANGUAGE plperlu AS $$ spi_exec_query(q{LOAD 'auto_explain'}); $$;
  CREATE FUNCTION tcl_seed() RETURNS void LANGUAGE pltcl AS $$ spi_exec "SET seed = 0.5" $$;
  CREATE FUNCTION py_link() RETURNS void LANGUAGE plpython3u AS
    $$ plpy.execute("SELECT dblink_connect('mine', here())") $$;
  CREATE FUNCTION py_origin() RETURNS void LANGUAGE plpython3u AS
    $$ plpy.execute("SELECT pg_replication_origin_session_setup('o')") $$;
  CREATE FUNCTION py_role(v int) RETURNS int LANGUAGE plpython3u AS $$
if v == 1: plpy.execute("SET ROLE thief")
return v $$;
  CREATE FUNCTION perl_tenant(text) RETURNS void LANGUAGE plperl AS
    $$ spi_exec_query("SELECT set_config('pl.tenant', '$_[0]', false)"); $$;
  SELECT setseed(0.5); CREATE TABLE seeded AS SELECT random() AS v FROM generate_series(1, 100)`;

const SCRIPTS: readonly Compared[] = [
  ...([
    ["a seed in Perl", "SELECT perl_seed()", SEEDED],
    ["a seed in Tcl", "SELECT tcl_seed()", SEEDED],
    ["a seed in a DO in Perl", `DO LANGUAGE plperl $$ spi_exec_query("SELECT setseed(0.5)"); $$`, SEEDED],
    [
      "a library in Perl",
      "SELECT perl_load()",
      "SELECT current_setting('auto_explain.log_analyze', true) IS NOT NULL",
    ],
    ["a link in Python", "SELECT py_link()", "SELECT dblink_get_connections()"],
    ["an origin in Python", "SELECT py_origin()", "SELECT pg_replication_origin_session_is_setup()"],
  ] as const).map(([what, sql, look]) => leftAlone(what, [sql], look)),
  {
    name: "A role that a function in Python takes for one value alone is the session's own",
    steps: [
      ...Array.from({ length: 5 }, () => "SELECT py_role(0)"),
      "SELECT py_role(1)",
      { b: WHO },
      WHO,
      { everywhere: WHO },
    ],
  },
  {
    name: "A custom setting of a function in Perl is the session's own",
    steps: ["SELECT perl_tenant('a')", { b: WHO }, WHO, { b: "SELECT perl_tenant('b')" }, WHO, { b: WHO }],
  },
];

if (missing.length > 0) {
  // The run says which tests it leaves out: nothing can be compared where the server has no such languages.
  Deno.test({ name: `Other languages (skipped: ${missing[0]} is missing)`, ignore: true, fn: () => {} });
} else {
  const served = new Served({
    major: 15,
    binDir: BIN,
    settings: { wal_level: "logical", max_connections: "200" },
    setup: SETUP,
    pools: Object.fromEntries(
      SCRIPTS.flatMap((
        _,
        i,
      ) => [[`one${i}`, { default_pool_size: 1 }], [`two${i}`, { default_pool_size: 2 }]]),
    ),
  });
  // Each in pools of its own: what a connection was left with stays there.
  for (const [i, script] of SCRIPTS.entries()) comparedTests(served, [script], (pool) => `${pool}${i}`);
}
