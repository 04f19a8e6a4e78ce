import { IN_PLANS, runOwn, type ServerConnection } from "../backend/mod.ts";
import {
  type BinaryString,
  encodeQuery,
  HARMLESS_VOLATILE,
  isTakenForHarmless,
  SESSION_FUNCTIONS,
} from "../protocol/mod.ts";
import { HiddenCallers, HiddenCallerSearch, type Reach, type Routine } from "./hidden_callers.ts";

/** Longer sources are not read: they may do anything. */
const SOURCE_BYTES_MAX = 200_000;

/** Routines of a database that are looked at; where there are more, they may do anything. */
const ROUTINES_MAX = 20_000;

/** How often sources are asked for in one look: names that lead from one routine to the next. */
const ROUNDS_MAX = 30;

/** A statement of a look that takes longer is cancelled, and the look has failed. */
const LOOK_TIMEOUT = "2s";

/**
 * Extensions whose functions in C change no session state, though not all of them are marked STABLE or IMMUTABLE. Not all that
 * there are: of one that is missing here, those are trusted that are marked so.
 */
const HARMLESS_EXTENSIONS =
  "amcheck,autoinc,bloom,btree_gin,btree_gist,citext,cube,earthdistance,fuzzystrmatch,hstore," +
  "insert_username,intarray,lo,ltree,moddatetime,pageinspect,pg_buffercache,pg_cron,pg_freespacemap,pg_prewarm," +
  "pg_stat_statements,pg_visibility,pg_walinspect,pgaudit,pgcrypto,pgrowlocks,pgstattuple,postgis,postgis_raster," +
  "postgis_topology,refint,seg,sslinfo,tcn,unaccent,uuid-ossp,vector";

/** Extensions with functions that run any SQL that they are given, however they are marked. */
const EXTENSIONS_THAT_RUN_SQL = "dblink,tablefunc,xml2";

/** The first OID of what is not made by initdb (FirstNormalObjectId in access/transam.h). */
const FIRST_OWN = 16384;

const OWN = `OPERATOR(pg_catalog.>=) ${FIRST_OWN}`;

/** Qualified, as all names and operators here are: it runs under the client's search_path. */
const EQUALS = "OPERATOR(pg_catalog.=)";

/** A name or source in ASCII alone, whatever encodings the client and the database have; {@link decoded} reads it. */
function encoded(text: string): string {
  return `pg_catalog.encode(pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding()), 'escape')`;
}

/** Plain names as elements of an array. */
function arrayOf(names: Iterable<string>): string {
  return `'{${[...names].join(",")}}'::pg_catalog.name[]`;
}

/** What is done with sequences is seen otherwise: see the traits of statements, and `readsSequences`. */
const isOfSequences = (name: string): boolean => SESSION_FUNCTIONS.get(name)?.startsWith("sequence") ?? false;

/** Functions of the server that may change session state. */
const SESSION_NAMES = [...SESSION_FUNCTIONS.keys()].filter((name) => !isOfSequences(name));

/** VOLATILE ones that do not. */
const HARMLESS_NAMES = [...HARMLESS_VOLATILE, ...[...SESSION_FUNCTIONS.keys()].filter(isOfSequences)];

/** How many rows there are and, as xmin changes with each change, which. */
function markOf(rows: string): string {
  return `(SELECT pg_catalog.concat(pg_catalog.count(*), '/', pg_catalog.sum(x.xmin::pg_catalog.text::pg_catalog.int8)) FROM pg_catalog.${rows})`;
}

const REFERENCES = `x.refclassid ${EQUALS} 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.refobjid ${OWN}`;

/**
 * Changes when what {@link lookAtCatalogue} reads does: the database's own routines, what depends on them, and all
 * expressions in which functions of the server may be called.
 */
const MARK: BinaryString = `SELECT pg_catalog.concat_ws(' ',
 ${
  [
    `pg_proc x WHERE x.oid ${OWN}`,
    `pg_depend x WHERE ${REFERENCES}`,
    `pg_attrdef x WHERE x.oid ${OWN}`,
    `pg_rewrite x WHERE x.oid ${OWN}`,
    `pg_policy x WHERE x.oid ${OWN}`,
    `pg_operator x WHERE x.oid ${OWN}`,
    `pg_cast x WHERE x.oid ${OWN}`,
    `pg_amproc x WHERE x.oid ${OWN}`,
    `pg_constraint x WHERE x.oid ${OWN} AND x.contype ${EQUALS} 'c'`,
    `pg_trigger x WHERE x.oid ${OWN} AND NOT x.tgisinternal`,
    `pg_type x WHERE x.oid ${OWN} AND x.typtype ${EQUALS} 'd'`,
  ].map(markOf).join(",\n ")
})`;

/**
 * The database's own routines, and those of the server that may change session state: also those that are VOLATILE and that
 * pgplex does not know.
 *
 * `tree`: expressions in which a routine may be called; a node tree has the OID behind `:funcid`. `reached`: what is reached
 * without a name, in them, by pg_depend, or where a column names it: on the server's own routines pg_depend has nothing. An UPDATE of
 * pg_settings calls set_config, by a rule of the server's own: so does one of a view of it that can be updated, and a rule that does so.
 */
const ROUTINES: BinaryString = `
WITH tree AS (
  SELECT 'any' AS reach, adbin::pg_catalog.text AS tree FROM pg_catalog.pg_attrdef WHERE oid ${OWN}
  UNION ALL SELECT 'any', ev_action::pg_catalog.text FROM pg_catalog.pg_rewrite WHERE oid ${OWN}
  UNION ALL SELECT 'any', ev_qual::pg_catalog.text FROM pg_catalog.pg_rewrite WHERE oid ${OWN}
  UNION ALL SELECT 'any', polqual::pg_catalog.text FROM pg_catalog.pg_policy
  UNION ALL SELECT 'any', polwithcheck::pg_catalog.text FROM pg_catalog.pg_policy
  UNION ALL SELECT 'any', conbin::pg_catalog.text FROM pg_catalog.pg_constraint WHERE oid ${OWN} AND contype ${EQUALS} 'c'
  UNION ALL SELECT 'any', typdefaultbin::pg_catalog.text FROM pg_catalog.pg_type WHERE oid ${OWN} AND typtype ${EQUALS} 'd'
  UNION ALL SELECT 'any', proargdefaults::pg_catalog.text FROM pg_catalog.pg_proc WHERE oid ${OWN}
  UNION ALL SELECT 'writing', tgqual::pg_catalog.text FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
), named AS (
  SELECT t.reach, pg_catalog.split_part(p.piece, ' ', 1)::pg_catalog.oid AS oid
   FROM tree t, ROWS FROM (pg_catalog.string_to_array(t.tree, ':funcid ')) a(pieces),
    ROWS FROM (pg_catalog.unnest(a.pieces)) WITH ORDINALITY p(piece, n) WHERE p.n OPERATOR(pg_catalog.>) 1
  UNION ALL SELECT CASE WHEN x.classid ${EQUALS} 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN 'writing' ELSE 'any' END, x.refobjid
   FROM pg_catalog.pg_depend x WHERE ${REFERENCES} AND x.classid OPERATOR(pg_catalog.<>) ALL (
    '{pg_catalog.pg_proc,pg_catalog.pg_language,pg_catalog.pg_foreign_data_wrapper,pg_catalog.pg_event_trigger}'::pg_catalog.regclass[]::pg_catalog.oid[])
  UNION ALL SELECT 'writing', 'pg_catalog.set_config'::pg_catalog.regproc::pg_catalog.oid
   FROM pg_catalog.pg_depend x JOIN pg_catalog.pg_rewrite w ON w.oid ${EQUALS} x.objid
   WHERE x.classid ${EQUALS} 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid ${OWN}
    AND x.refclassid ${EQUALS} 'pg_catalog.pg_class'::pg_catalog.regclass AND x.refobjid ${EQUALS} 'pg_catalog.pg_settings'::pg_catalog.regclass
    AND (w.ev_type OPERATOR(pg_catalog.<>) '1' OR (pg_catalog.pg_relation_is_updatable(w.ev_class, true) OPERATOR(pg_catalog.&) 4) OPERATOR(pg_catalog.<>) 0)
  UNION ALL SELECT 'any', oprcode FROM pg_catalog.pg_operator WHERE oid ${OWN}
  UNION ALL SELECT 'any', castfunc FROM pg_catalog.pg_cast WHERE oid ${OWN}
  UNION ALL SELECT 'any', amproc FROM pg_catalog.pg_amproc WHERE oid ${OWN}
  UNION ALL SELECT 'any', f.f FROM pg_catalog.pg_aggregate,
    ROWS FROM (pg_catalog.unnest(ARRAY[aggtransfn, aggfinalfn, aggmtransfn, aggminvtransfn, aggmfinalfn])) f(f) WHERE aggfnoid ${OWN}
), reached AS (
  SELECT n.oid, pg_catalog.min(n.reach) AS reach FROM named n GROUP BY n.oid
), routine AS (
  SELECT p.oid, p.proname, p.prosrc, p.proconfig, p.pronargs, p.pronargdefaults, l.lanname, p.oid ${OWN} AS own,
    p.prokind ${EQUALS} 'a' AS aggregate, p.provolatile ${EQUALS} 'v' AS volatile,
    p.prorettype ${EQUALS} ANY ('{pg_catalog.trigger,pg_catalog.event_trigger}'::pg_catalog.regtype[]::pg_catalog.oid[]) AS trigger,
    coalesce(p.proargtypes[0] ${EQUALS} 'pg_catalog.internal'::pg_catalog.regtype, false) AS internal,
    (SELECT pg_catalog.min(x.extname::pg_catalog.text) FROM pg_catalog.pg_depend d, pg_catalog.pg_extension x
      WHERE d.classid ${EQUALS} 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid ${EQUALS} p.oid AND d.deptype ${EQUALS} 'e'
       AND d.refclassid ${EQUALS} 'pg_catalog.pg_extension'::pg_catalog.regclass AND x.oid ${EQUALS} d.refobjid) AS extname
   FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid ${EQUALS} p.prolang
)
SELECT r.oid, ${encoded("r.proname::pg_catalog.text")},
  CASE WHEN e.reach IS NOT NULL THEN e.reach WHEN r.own AND r.trigger THEN 'writing' END,
  CASE WHEN NOT r.own THEN 'opaque'
   WHEN r.aggregate THEN 'harmless'
   WHEN r.lanname ${EQUALS} 'plpgsql' THEN 'plpgsql'
   WHEN r.lanname ${EQUALS} 'sql' THEN CASE WHEN r.prosrc ${EQUALS} '' THEN 'body' ELSE 'sql' END
   WHEN r.lanname ${EQUALS} 'internal' AND pg_catalog.strpos(r.prosrc, 'range_constructor') OPERATOR(pg_catalog.>) 0 THEN 'harmless'
   WHEN r.lanname OPERATOR(pg_catalog.<>) ALL ('{c,internal}'::pg_catalog.name[]) THEN 'other'
   WHEN r.extname IS NULL OR r.prosrc ${EQUALS} 'accept_weak_input'
     OR r.extname ${EQUALS} ANY ('{${EXTENSIONS_THAT_RUN_SQL}}'::pg_catalog.text[]) THEN 'opaque'
   WHEN NOT r.volatile OR r.internal OR r.extname ${EQUALS} ANY ('{${HARMLESS_EXTENSIONS}}'::pg_catalog.text[]) THEN 'harmless'
   ELSE 'opaque' END,
  CASE WHEN r.pronargs OPERATOR(pg_catalog.>) 0 AND r.pronargs OPERATOR(pg_catalog.-) r.pronargdefaults OPERATOR(pg_catalog.<=) 1 THEN 't' END,
  (SELECT pg_catalog.string_agg(x.refobjid::pg_catalog.text, ' ') FROM pg_catalog.pg_depend x
    WHERE x.classid ${EQUALS} 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.objid ${EQUALS} r.oid AND ${REFERENCES}),
  CASE WHEN r.own AND r.lanname ${EQUALS} ANY ('{c,internal}'::pg_catalog.name[]) THEN ${
  encoded("r.prosrc")
} END,
  (SELECT 't' FROM ROWS FROM (pg_catalog.unnest(r.proconfig)) c(c)
    WHERE pg_catalog.split_part(c.c, '=', 1) ${EQUALS} ANY ('{${
  [...IN_PLANS].join(",")
}}'::pg_catalog.text[]) LIMIT 1)
 FROM routine r LEFT JOIN reached e ON e.oid ${EQUALS} r.oid
 WHERE r.own OR r.proname ${EQUALS} ANY (${arrayOf(SESSION_NAMES)})
  OR (r.volatile AND NOT r.internal AND NOT r.trigger AND NOT r.aggregate
   AND r.proname OPERATOR(pg_catalog.<>) ALL (${arrayOf(HARMLESS_NAMES)}))
 LIMIT ${ROUTINES_MAX + 1}`;

/** Sources by OID; a body that is not kept as a text is shown as one. */
function sourcesOf(oids: readonly string[]): BinaryString {
  const source =
    `CASE WHEN p.prosrc ${EQUALS} '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END`;
  return `SELECT p.oid, ${encoded(source)} FROM pg_catalog.pg_proc p WHERE p.oid ${EQUALS} ANY ('{${
    oids.join(",")
  }}'::pg_catalog.oid[]) AND pg_catalog.octet_length(p.prosrc) OPERATOR(pg_catalog.<=) ${SOURCE_BYTES_MAX}`;
}

type Rows = readonly (readonly (BinaryString | null)[])[];

/** A text that is another whenever a look may find something else; one round trip, and no more than a few indexes read. */
export async function catalogueMark(server: ServerConnection): Promise<string> {
  return (await ask(server, MARK))[0]?.[0] ?? "";
}

/**
 * Looks for what is reached without being called by name in a database: one round trip, and one more for each step along
 * the names in sources.
 *
 * @param named names that statements call
 * @throws PgplexError when the catalogue cannot be read, or not in time.
 */
export async function lookAtCatalogue(
  server: ServerConnection,
  named: Iterable<BinaryString> = [],
): Promise<HiddenCallers> {
  const rows = await ask(server, ROUTINES);
  if (rows.length > ROUTINES_MAX) return HiddenCallers.UNKNOWN;
  const search = new HiddenCallerSearch(rows.map(routineOf), named);
  for (let round = 0; search.wanted.length > 0; round++) {
    if (round === ROUNDS_MAX) return HiddenCallers.UNKNOWN;
    const { wanted } = search;
    const sources = new Map(await ask(server, sourcesOf(wanted.map(({ oid }) => oid))) as [string, string][]);
    for (const routine of wanted) {
      const source = sources.get(routine.oid);
      search.read(routine, source === undefined ? null : decoded(source));
    }
  }
  return search.found;
}

function routineOf(
  [oid, encodedName, reach, language, single, uses, symbol, setsInPlans]: Rows[number],
): Routine {
  const name = decoded(encodedName!);
  return {
    oid: oid!,
    name,
    reach: Number(oid) >= FIRST_OWN && isTakenForHarmless(name) ? "any" : reach as Reach | null,
    language: language as Routine["language"],
    symbol: symbol === null || symbol === undefined ? null : decoded(symbol),
    setsInPlans: setsInPlans === "t",
    single: single === "t",
    uses: uses?.split(" ") ?? [],
  };
}

/** What {@link encoded} made, as it was. */
function decoded(text: BinaryString): BinaryString {
  return text.replace(/\\(?:\\|(\d{3}))/g, (_, octal?: string) => {
    return octal === undefined ? "\\" : String.fromCharCode(parseInt(octal, 8));
  });
}

/** The rows of a query, in a transaction of its own with a statement_timeout of its own. */
export async function ask(server: ServerConnection, sql: BinaryString): Promise<Rows> {
  const { rows } = await runOwn(server, [[TIMEOUT], [encodeQuery(sql)]]);
  return rows;
}

const TIMEOUT = encodeQuery(`SET LOCAL statement_timeout TO '${LOOK_TIMEOUT}'`);
