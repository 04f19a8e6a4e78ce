import type { Segments } from "./path.ts";
import type { Config } from "./schema.ts";

/** What people write who come from PgBouncer or libpq, and what means something else here: where, and what it means. */
export function habitsIn({ auth, listen, clusters }: Config): [at: Segments, message: string][] {
  const found: [Segments, string][] = [];
  if (auth.type === "plain" && listen.tls?.mode !== "require") {
    found.push([
      ["auth", "type"],
      "plain has passwords cross the network in clear: listen.tls.mode require would encrypt them",
    ]);
  }
  for (const [cluster, { nodes }] of clusters) {
    for (const [index, { host }] of nodes.entries()) {
      if (!host.includes(",")) continue;
      const at = ["clusters", cluster, "nodes", index, "host"];
      found.push([
        at,
        `${JSON.stringify(host)} is taken for the name of one server: give each its own entry in nodes`,
      ]);
    }
  }
  return found;
}
