import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import type { HostPlace } from "./host_scripts.ts";
import {
  type Conninfo,
  formatConninfo,
  parseConninfo,
  passfileLine,
  type Upstream,
  upstreamConninfo,
} from "./conninfo.ts";
import { feedStatement, shellWord } from "./programs.ts";
import { VerbTrouble } from "./result.ts";
import { type Inspection, inspectionSql, parseInspection } from "./inspection.ts";

/** Inspects a node. @throws VerbTrouble */
export async function lookAt(session: ArbiterSession, until: Deadline): Promise<Inspection> {
  const rights = await session.rights(until);
  for (let attempt = 1;; attempt++) {
    try {
      const askedMs = session.runtime.clock.nowMs();
      const [row] = await session.run(inspectionSql(rights), { until, acts: false });
      return parseInspection(row?.[0] ?? "null", { ...rights, askedMs });
    } catch (thrown) {
      // It was promoted while the statement ran: a function that wants recovery refuses.
      if (!(thrown instanceof VerbTrouble) || thrown.sqlstate !== "55000" || attempt === 3) throw thrown;
    }
  }
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

/** What a mode of TLS is to a standby, where that is another word. */
const SSLMODES: Readonly<Record<string, string>> = {
  "allow": "prefer", // libpq's would ask for TLS last
  // verify-ca and verify-full need a file on the standby's host, of which nothing is known here.
  "verify-ca": "require",
  "verify-full": "require",
};

/** How pgplex itself logs in to a cluster's nodes, in libpq's words. */
export function ownConninfo(session: ArbiterSession): Conninfo {
  const { superuser: { user, password }, tls } = session.access;
  return new Map([
    ["user", user],
    ["password", password?.reveal() ?? ""],
    ["sslmode", SSLMODES[tls.mode] ?? tls.mode],
  ]);
}

/**
 * The `primary_conninfo` by which a node receives from `upstream`: as it did (`before`), or as pgplex logs in.
 *
 * A server writes a new primary_conninfo into its log when it reloads, with what is in it. So a password goes into a file in the data
 * directory, which is its user's alone, where the role may write one; else it stays where it was.
 *
 * @throws VerbTrouble
 */
export async function conninfoFor(
  session: ArbiterSession,
  { upstream, before }: { readonly upstream: Upstream; readonly before: Conninfo | null },
  until: Deadline,
): Promise<string> {
  const wanted = new Map(upstreamConninfo(upstream, {
    before,
    own: ownConninfo(session),
    standby: session.node.name,
  }));
  const { canRunPrograms, isSuperuser } = await session.rights(until);
  const [user, password] = [wanted.get("user") ?? "", wanted.get("password") ?? ""];
  if (password !== "" && canRunPrograms && isSuperuser) {
    const { dataDirectory } = await placeOf(session, until);
    const file = `${dataDirectory}/${PASSFILE}`;
    const path = shellWord(file);
    const write = `umask 077; base64 -d >${path}.new && mv -f ${path}.new ${path}`;
    await session.run(feedStatement(passfileLine(user, password), write), { until, acts: true });
    wanted.delete("password");
    wanted.set("passfile", file);
  }
  return formatConninfo(wanted);
}

/** The password file of a node that receives, in its data directory. */
const PASSFILE = "pgplex.passfile";
