import { Buffer } from "node:buffer";
import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import type { HostPlace } from "./host_scripts.ts";
import {
  type Conninfo,
  formatConninfo,
  parseConninfo,
  passfileLine,
  type Upstream,
  upstreamConninfo,
  withoutAddress,
} from "./conninfo.ts";
import { feedStatement, literal, shellWord } from "./programs.ts";
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

/**
 * How a node logs in to its upstream, or did when it was stopped from receiving last. Null where nothing says that, or in the form of a URI; and
 * where the role may not see it. Secret: for verbs alone.
 *
 * @throws VerbTrouble
 */
export async function presentConninfo(session: ArbiterSession, until: Deadline): Promise<Conninfo | null> {
  return await conninfoInForce(session, until) ?? await keptConninfo(session, until);
}

/**
 * The same of a node whose primary_conninfo is about to be emptied. It is kept in a file in the data directory, which is its user's alone,
 * so that whoever points the node at another one later finds it: this pgplex may be gone by then.
 *
 * @throws VerbTrouble
 */
export async function keepConninfo(session: ArbiterSession, until: Deadline): Promise<Conninfo | null> {
  const [inForce, kept] = [await conninfoInForce(session, until), await keptConninfo(session, until)];
  if (inForce === null) return kept;
  const text = formatConninfo(withoutAddress(inForce));
  const { canRunPrograms, isSuperuser } = await session.rights(until);
  if (canRunPrograms && isSuperuser && (kept === null || formatConninfo(kept) !== text)) {
    const { dataDirectory } = await placeOf(session, until);
    // A host that cannot write it keeps nobody from being stopped.
    await unlessRefused(() => writeSecret(session, `${dataDirectory}/${KEPT_FILE}`, { text, until }));
  }
  return inForce;
}

/** What primary_conninfo says. */
async function conninfoInForce(session: ArbiterSession, until: Deadline): Promise<Conninfo | null> {
  const sql = "SELECT current_setting('primary_conninfo')";
  const rows = await unlessRefused(() => session.run(sql, { until, acts: false }));
  return parameters(rows?.[0]?.[0] ?? "");
}

/** What the file of {@link keepConninfo} says. */
async function keptConninfo(session: ArbiterSession, until: Deadline): Promise<Conninfo | null> {
  if (!(await session.rights(until)).isSuperuser) return null;
  // Bytes: the database may have another encoding.
  const sql = `SELECT encode(pg_read_binary_file(${literal(KEPT_FILE)}, 0, 100000, true), 'base64')`;
  const rows = await unlessRefused(() => session.run(sql, { until, acts: false }));
  return parameters(Buffer.from(rows?.[0]?.[0] ?? "", "base64").toString("utf8"));
}

function parameters(text: string): Conninfo | null {
  const found = parseConninfo(text);
  return found === null || found.size === 0 ? null : found;
}

/** What `work` brings; null where the server, or its host, says no. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (thrown) {
    const kind = thrown instanceof VerbTrouble ? thrown.failure.kind : null;
    if (kind !== "refused" && kind !== "not possible") throw thrown;
    return null;
  }
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
    await writeSecret(session, file, { text: passfileLine(user, password), until });
    wanted.delete("password");
    wanted.set("passfile", file);
  }
  return formatConninfo(wanted);
}

/** Writes a file on a node's host that its server's user alone may read: the whole of it, or nothing. */
async function writeSecret(
  session: ArbiterSession,
  file: string,
  { text, until }: { readonly text: string; readonly until: Deadline },
): Promise<void> {
  const path = shellWord(file);
  const write = `umask 077; base64 -d >${path}.new && mv -f ${path}.new ${path}`;
  await session.run(feedStatement(text, write), { until, acts: true });
}

/** The password file of a node that receives, in its data directory. */
const PASSFILE = "pgplex.passfile";

/** What {@link keepConninfo} writes, in the data directory. */
const KEPT_FILE = "pgplex.conninfo";
