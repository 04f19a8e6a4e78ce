import { type Connection, type PgplexProcess, startPgplex, WireClient } from "./mod.ts";

/** Names of the users that {@link startConsole} lets in, and one that it does not. */
export const [BOSS, EYE, NOBODY] = ["boss", "eye", "nobody"];

/** A configuration with a console, whose cluster `main` leads to a port. `more` replaces whole sections. */
export function consoleConfig(port: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    auth: { type: "trust", users: { [NOBODY!]: "a-secret-of-nobody" } },
    console: { admin_users: [BOSS], stats_users: [EYE] },
    clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port }], superuser: null } },
    log: { level: "debug" },
    ...more,
  };
}

/** Starts pgplex with a console. */
export function startConsole(port: number, more: Record<string, unknown> = {}): Promise<PgplexProcess> {
  return startPgplex({ config: consoleConfig(port, more) });
}

/** A client of the console, an administrator unless `user` says another. */
export function enter(
  pgplex: PgplexProcess,
  user: string = BOSS!,
  params: Record<string, string> = {},
): Promise<WireClient> {
  return WireClient.connect(pgplex, { user, database: "pgplex", params });
}

/** How psql and drivers reach the console. */
export function consoleConnection({ host, port }: PgplexProcess, user: string = BOSS!): Connection {
  return { host, port, user, password: "", database: "pgplex" };
}
