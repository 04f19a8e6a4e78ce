import first from "./1.sql" with { type: "text" };

/** The SQL that leads from each version of the schema to the next: at index 0 from none to version 1. */
export const SCHEMA_VERSIONS: readonly string[] = [first];

/** What is there now: no schema of this name, one of pgplex with its version, or one that somebody else has made. */
export type Present =
  | { readonly kind: "none" }
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "foreign" };

/** What to do with a schema. */
export const SCHEMA_COMMANDS = ["install", "upgrade", "remove", "show"] as const;

/** One of {@link SCHEMA_COMMANDS}. */
export type SchemaCommand = typeof SCHEMA_COMMANDS[number];

/** What a command comes to: statements, each a transaction, and a sentence for when they are done; or why it is refused. */
export type SchemaPlan =
  | { readonly kind: "run"; readonly statements: readonly string[]; readonly done: string }
  | { readonly kind: "refused"; readonly reason: string };

/** Looks what is there; one row of two columns: whether there is a schema, and whether it has pgplex's table. */
export const PRESENT_SQL =
  "SELECT to_regnamespace('pgplex') IS NOT NULL, to_regclass('pgplex.version') IS NOT NULL";

/** The version; only where {@link PRESENT_SQL} says that the table is there. */
export const VERSION_SQL = "SELECT version FROM pgplex.version";

/** The plan of `command` where `present` is there. */
export function planOf(
  command: Exclude<SchemaCommand, "show">,
  present: Present,
  versions: readonly string[] = SCHEMA_VERSIONS,
): SchemaPlan {
  const latest = versions.length;
  const run = (statements: readonly string[], done: string): SchemaPlan => ({
    kind: "run",
    statements,
    done,
  });
  const refused = (reason: string): SchemaPlan => ({ kind: "refused", reason });
  if (present.kind === "foreign") {
    return refused("a schema pgplex is there that pgplex has not made: it is left alone");
  }
  const version = present.kind === "none" ? 0 : present.version;
  switch (command) {
    case "install":
    case "upgrade":
      if (version > latest) return refused(`version ${version} is there, and this pgplex knows ${latest}`);
      if (command === "upgrade" && version === 0) return refused("no schema pgplex is there: install it");
      if (version === latest) return run([], `version ${latest} is there already`);
      return run(
        versions.slice(version).map((sql, index) => stepOf(sql, version + index)),
        version === 0 ? `version ${latest} is installed` : `upgraded from version ${version} to ${latest}`,
      );
    case "remove":
      return version === 0
        ? run([], "no schema pgplex is there")
        : run(["DROP SCHEMA pgplex CASCADE"], `version ${version} is removed`);
  }
}

/** One step: nobody else may take it at the same time, and it fits what is there. */
function stepOf(sql: string, from: number): string {
  const lock = "SELECT pg_advisory_xact_lock(1885826160)"; // "pgpl"
  const check = from === 0 ? "" : `;
DO $check$ BEGIN IF (SELECT version FROM pgplex.version) <> ${from} THEN
 RAISE 'the schema is not of version ${from} any more'; END IF; END $check$`;
  const note = from === 0 ? "" : `;
UPDATE pgplex.version SET version = ${from + 1}, changed_at = clock_timestamp()`;
  return `BEGIN; ${lock}${check};\n${sql.trimEnd().replace(/;$/, "")}${note}; COMMIT`;
}
