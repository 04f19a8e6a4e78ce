import type { Segments } from "./path.ts";
import type { Config } from "./schema.ts";

/** What people write who come from PgBouncer or libpq, and what means something else here: where, and what it means. */
export function habitsIn(config: Config): [at: Segments, message: string][] {
  const { auth, listen, clusters } = config;
  const found: [Segments, string][] = [...lookUpsInVain(config)];
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

/** Databases in which users are to be looked up, and cannot be. */
function* lookUpsInVain(config: Config): Generator<[at: Segments, message: string]> {
  const { auth: { lookup_database }, routing: { databases } } = config;
  const places: [Segments, string | null | undefined][] = [
    [["auth", "lookup_database"], lookup_database],
    ...[...databases].map(([name, alias]): [Segments, string | undefined] => [
      ["routing", "databases", name, "lookup_database"],
      alias.lookup_database,
    ]),
  ];
  for (const [at, name] of places) {
    if (name === null || name === undefined) continue;
    const why = whyNowhere(config, name);
    if (why !== null) yield [at, `${JSON.stringify(name)} ${why}: whoever is in no list is refused`];
  }
}

/** Why no users can be looked up in the database of this name; null where they can. */
function whyNowhere({ console, clusters, routing }: Config, name: string): string | null {
  if (name === console.database || console.aliases.includes(name)) return "is the console";
  const { databases, separator, default_cluster: defaultCluster } = routing;
  if (databases.has(name)) return null;
  const at = name.lastIndexOf(separator);
  const leads = at < 0
    ? databases.has("*") || defaultCluster !== null
    : clusters.has(name.slice(at + separator.length));
  return leads ? null : "leads nowhere";
}
