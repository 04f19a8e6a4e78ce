import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import type { HostPlace } from "./host_scripts.ts";
import { type Conninfo, parseConninfo } from "./conninfo.ts";
import { type Inspection, inspectionSql, parseInspection } from "./inspection.ts";

/** Inspects a node; of a connection that had gone unseen it asks once more. @throws VerbTrouble */
export async function lookAt(session: ArbiterSession, until: Deadline): Promise<Inspection> {
  const rights = await session.rights(until);
  const [row] = await session.run(inspectionSql(rights), { until, acts: false });
  return parseInspection(row?.[0] ?? "null", rights);
}

const PLACE_SQL = `SELECT current_setting('data_directory'),
 (SELECT setting FROM pg_config WHERE name = 'BINDIR'), current_setting('config_file'), current_setting('port'),
 (SELECT system_identifier FROM pg_control_system()), current_setting('logging_collector')`;

/** Where a node's server lies on its host. @throws VerbTrouble `not possible` where the role may not see it */
export async function placeOf(session: ArbiterSession, until: Deadline): Promise<HostPlace> {
  const [row] = await session.run(PLACE_SQL, { until, acts: false });
  const [dataDirectory = "", binDirectory = "", configFile = "", port, system, collects] = row!;
  return {
    dataDirectory: dataDirectory!,
    binDirectory: binDirectory!,
    configFile: configFile!,
    port: Number(port),
    system: system!,
    collectsLog: collects === "on",
  };
}

/** The parameters of a standby's primary_conninfo, with what is secret in it: for verbs alone. Null where it is empty or a URI. */
export async function conninfoOf(session: ArbiterSession, until: Deadline): Promise<Conninfo | null> {
  const [row] = await session.run("SELECT current_setting('primary_conninfo')", { until, acts: false });
  const parameters = parseConninfo(row?.[0] ?? "");
  return parameters === null || parameters.size === 0 ? null : parameters;
}

/** How pgplex itself logs in to a cluster's nodes, in libpq's words. */
export function ownConninfo(session: ArbiterSession): Conninfo {
  const { superuser: { user, password }, tls } = session.access;
  return new Map([
    ["user", user],
    ["password", password?.reveal() ?? ""],
    // verify-ca and verify-full need a file on the standby's host, of which nothing is known here.
    ["sslmode", tls.mode === "verify-ca" || tls.mode === "verify-full" ? "require" : tls.mode],
  ]);
}
