import { aliasFor, type Config, WILDCARD } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";

/** Where a database name leads. */
export interface Route {
  readonly cluster: string;
  /** The database's name on the cluster. */
  readonly database: string;
  /** The alias under `routing.databases` that led here, whose pool keys hold. */
  readonly alias: string | null;
}

/**
 * Resolves the database name of a startup packet: an alias, `database@cluster`, or a plain name with a default cluster.
 * An alias comes first, and `*` behind
 * all that have the separator. The separator that counts is the last one: a database's name may contain it, a cluster's may not.
 * Drivers that do not decode the path of a URI send `%40` for `@`; where that is the separator and none stands in the name, it
 * is understood.
 *
 * @throws PgplexError `unknown_database` (3D000), with what names there are.
 */
export function routeDatabase(config: Config, asked: string): Route {
  const { separator, default_cluster: defaultCluster, databases } = config.routing;
  const alias = asked === WILDCARD ? undefined : databases.get(asked);
  if (alias !== undefined) return { cluster: alias.cluster, database: alias.database, alias: asked };
  const name = decoded(asked, separator);
  const at = name.lastIndexOf(separator);
  if (at >= 0) {
    const cluster = name.slice(at + separator.length);
    const database = name.slice(0, at);
    if (!config.clusters.has(cluster)) throw unknown(config, `cluster "${cluster}" does not exist`);
    if (database === "") throw unknown(config, `database name is missing before "${separator}${cluster}"`);
    return { cluster, database, alias: null };
  }
  const wildcard = aliasFor(config, name);
  if (wildcard !== null) return { cluster: wildcard.cluster, database: wildcard.database, alias: name };
  if (defaultCluster === null) throw unknown(config, `database "${name}" does not exist`);
  return { cluster: defaultCluster, database: name, alias: null };
}

/** What a client says, beside its database name, of the cluster that it means. */
export interface ClusterHints {
  /** `pgplex.cluster` of its connection string; empty or null where it says nothing. */
  readonly option: string | null;
  /** The server name of its TLS handshake; null without one. */
  readonly serverName: string | null;
}

/**
 * The cluster that plain database names mean for one client, by the option or by the name of TLS: those whose tools connect
 * again by plain names keep their cluster. Null: `routing.default_cluster`. Whether there is the one that the option names is not
 * looked at.
 */
export function clusterMeant(config: Config, { option, serverName }: ClusterHints): string | null {
  if (option) return option;
  if (serverName === null) return null;
  const name = serverName.toLowerCase();
  for (const [cluster, { server_names: names }] of config.clusters) {
    if (names.some((each) => each.toLowerCase() === name)) return cluster;
  }
  return null;
}

/**
 * The name that {@link routeDatabase} and rules are to see of a client that means `meant` by plain names: DATABASE@CLUSTER, or an alias
 * that leads to just that database.
 */
export function spelledOut(config: Config, asked: string, meant: string | null): string {
  const { separator } = config.routing;
  if (meant === null || decoded(asked, separator).includes(separator)) return asked;
  const alias = aliasFor(config, asked);
  if (alias !== null && alias.cluster === meant && alias.database === asked) return asked;
  return `${asked}${separator}${meant}`;
}

function decoded(asked: string, separator: string): string {
  return separator === "@" && !asked.includes("@") ? asked.replaceAll("%40", "@") : asked;
}

function unknown(config: Config, message: string): PgplexError {
  const { separator, databases, default_cluster: defaultCluster } = config.routing;
  const clusters = [...config.clusters.keys()];
  const aliases = [...databases.keys()].filter((name) => name !== WILDCARD);
  let detail = `Clusters: ${clusters.join(", ")}.`;
  if (aliases.length > 0) detail += ` Databases with a name of their own: ${aliases.join(", ")}.`;
  let hint = `Name a database as DATABASE${separator}CLUSTER, for example "postgres${separator}${
    clusters[0]
  }".`;
  if (defaultCluster !== null) hint += ` Without "${separator}" the cluster is ${defaultCluster}.`;
  else {
    hint += ` For tools that connect by plain names, PGOPTIONS="-c pgplex.cluster=${
      clusters[0]
    }" says which cluster those mean.`;
  }
  return new PgplexError("unknown_database", message, { detail, hint });
}
