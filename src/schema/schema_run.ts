import type { Runtime } from "../backend/mod.ts";
import type { ClusterConfig, SuperuserConfig } from "../config/mod.ts";
import { attempt, NodeSession, type VerbResult, VerbTrouble } from "../verbs/mod.ts";
import {
  planOf,
  type Present,
  PRESENT_SQL,
  SCHEMA_VERSIONS,
  type SchemaCommand,
  VERSION_SQL,
} from "./versions.ts";

/** How long one node may take to answer, and to take the schema. */
const [LOOK_MS, RUN_MS] = [5_000, 30_000];

/**
 * Does `command` on the primary of a cluster, as its superuser.
 *
 * @returns a line for each node that was looked at, and what was done; `refused` and the like as the verbs
 */
export async function runSchemaCommand(
  command: SchemaCommand,
  { nodes, superuser, tls }: Pick<ClusterConfig, "nodes" | "tls"> & {
    readonly superuser: SuperuserConfig | null;
  },
  { runtime, connectTimeoutMs, versions = SCHEMA_VERSIONS, progress = () => {} }: {
    /** Hears what is being done, in the words of people. */
    readonly progress?: (text: string) => void;
    readonly runtime: Runtime;
    readonly connectTimeoutMs: number;
    readonly versions?: readonly string[];
  },
): Promise<VerbResult<{ readonly lines: readonly string[] }>> {
  return await attempt(async () => {
    if (superuser === null) {
      throw new VerbTrouble("not possible", "the cluster has no superuser in the configuration");
    }
    const access = { superuser, tls, connectTimeoutMs };
    const sessions = nodes.map((node) =>
      new NodeSession(node, { access: () => access, runtime, name: "pgplex schema" })
    );
    try {
      const silent = new Set(nodes.map(({ name }) => name));
      const tell = () => silent.size > 0 && progress(`waiting for ${[...silent].join(", ")}`);
      tell();
      const looks = await Promise.all(sessions.map(async (session) => {
        const found = await look(session);
        silent.delete(session.node.name);
        tell();
        return found;
      }));
      const lines = looks.map(({ text }, index) => `${nodes[index]!.name}: ${text}`);
      if (command === "show") return { lines };
      const primaries = looks.flatMap(({ present }, index) =>
        present === null ? [] : [{ session: sessions[index]!, present }]
      );
      const [primary] = primaries;
      if (primary === undefined) throw new VerbTrouble("failed", `no node is a primary: ${lines.join("; ")}`);
      if (primaries.length > 1) throw new VerbTrouble("refused", `several primaries: ${lines.join("; ")}`);
      const plan = planOf(command, primary.present, versions);
      if (plan.kind === "refused") throw new VerbTrouble("refused", plan.reason);
      const until = primary.session.deadline(RUN_MS);
      progress(`${primary.session.node.name}: ${command}`);
      for (const statement of plan.statements) await primary.session.run(statement, { until, acts: true });
      return { lines: [`${primary.session.node.name}: ${plan.done}`] };
    } finally {
      for (const session of sessions) session.close();
    }
  });
}

/** What a node says of its schema: for people, and where it is a primary as a value. */
async function look(session: NodeSession): Promise<{ text: string; present: Present | null }> {
  const until = session.deadline(LOOK_MS);
  const read = { until, acts: false };
  const found = await attempt(async () => {
    const [state] = await session.run("SELECT pg_is_in_recovery()", read);
    const [row] = await session.run(PRESENT_SQL, read);
    const role = state?.[0] === "t" ? "standby" : "primary";
    if (row?.[0] !== "t") return { role, present: { kind: "none" } as Present };
    if (row[1] !== "t") return { role, present: { kind: "foreign" } as Present };
    const [version] = await session.run(VERSION_SQL, read);
    return { role, present: { kind: "version", version: Number(version?.[0] ?? 0) } as Present };
  });
  if (!found.ok) return { text: found.reason, present: null };
  const { role, present } = found;
  const what = present.kind === "version"
    ? `version ${present.version}`
    : present.kind === "none"
    ? "no schema pgplex"
    : "a schema pgplex of somebody else";
  return { text: `${role}, ${what}`, present: role === "primary" ? present : null };
}
