import {
  accepts,
  Daemon,
  freePort,
  pgplexCommand,
  type PostgresNode,
  run,
  tempDir,
  unprivilegedUser,
} from "../../tools/embedded/mod.ts";
import type { TargetName } from "./options.ts";

/** Something that pgbench can be pointed at. */
export interface Target {
  readonly name: TargetName;
  /** For the report: "PgBouncer 1.18.0". */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** The proxy's process; null where there is no proxy. */
  readonly pid: number | null;
  /** Where sessions that read go: elsewhere, or by such startup options; null where they cannot go to a standby. */
  readonly reads: { readonly host: string; readonly port: number; readonly options?: string } | null;
  /** Stops what was started for it. */
  stop(): Promise<void>;
}

/** What the poolers are told. */
export interface PoolerOptions {
  readonly node: PostgresNode;
  /** A standby of it; null where no case needs one. */
  readonly standby: PostgresNode | null;
  readonly database: string;
  readonly poolSize: number;
  readonly denoFlags: readonly string[];
}

const CLIENTS_MAX = 20_000;

/** PostgreSQL itself. */
export function direct(
  { node, standby, database }: Pick<PoolerOptions, "node" | "standby" | "database">,
  version: string,
): Target {
  const { host, port, superuser: user } = node;
  const stop = () => Promise.resolve();
  return { name: "direct", version, host, port, database, user, pid: null, reads: standby, stop };
}

/** The PgBouncer of `$PGBOUNCER_BIN`, of PATH or of Debian, and its version; null when there is none. */
export async function findPgBouncer(): Promise<{ path: string; version: string } | null> {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"];
  const named = Deno.env.get("PGBOUNCER_BIN");
  for (const path of named === undefined ? folders.map((folder) => `${folder}/pgbouncer`) : [named]) {
    if (!await Deno.stat(path).then((info) => info.isFile, () => false)) continue;
    const version = /PgBouncer (\S+)/.exec(await run(path, { args: ["--version"] }))?.[1] ?? "unknown";
    return { path, version };
  }
  if (named !== undefined) throw new Error(`PGBOUNCER_BIN must be an executable file: received ${named}`);
  return null;
}

/** Starts PgBouncer in transaction mode. */
export async function startPgBouncer(
  bouncer: { path: string; version: string },
  options: PoolerOptions,
): Promise<Target> {
  const { node, database } = options;
  const dir = (await tempDir("pgplex-bouncer-")).path;
  const port = freePort();
  const dropTo = await unprivilegedUser();
  const settings: Record<string, string | number> = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: `${dir}/users`,
    pool_mode: "transaction",
    default_pool_size: options.poolSize,
    max_client_conn: CLIENTS_MAX,
    server_tls_sslmode: "disable",
    log_connections: 0,
    log_disconnections: 0,
    log_stats: 0,
    // It refuses to run as root, and changes its user once it has read its files.
    ...(dropTo !== null && { user: dropTo.name }),
    ...(atLeast(bouncer.version, 1, 21) && { max_prepared_statements: 200 }),
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  const databases = `${database} = host=${node.host} port=${node.port} dbname=${database}`;
  await Deno.writeTextFile(`${dir}/users`, `"${node.superuser}" ""\n`);
  await Deno.writeTextFile(
    `${dir}/bouncer.ini`,
    `[databases]\n${databases}\n[pgbouncer]\n${lines.join("\n")}\n`,
  );
  const daemon = await Daemon.start({
    what: "PgBouncer",
    command: bouncer.path,
    args: [`${dir}/bouncer.ini`],
    dir,
    ready: () => accepts(port),
  });
  return {
    name: "pgbouncer",
    version: `PgBouncer ${bouncer.version}`,
    host: "127.0.0.1",
    port,
    database,
    user: node.superuser,
    pid: daemon.pid,
    reads: null,
    stop: () => stopDaemon(daemon),
  };
}

/** Whether there is a pgplex to start: `$PGPLEX_BIN` or the main.ts of this checkout. */
export async function hasPgplex(): Promise<boolean> {
  const [command, ...args] = pgplexCommand();
  return await Deno.stat(args.at(-1) ?? command).then((info) => info.isFile, () => false);
}

/** The pgplex of `$PGPLEX_BEFORE_BIN`; null when none is named. */
export function pgplexBefore(): string | null {
  return Deno.env.get("PGPLEX_BEFORE_BIN") || null;
}

/** Starts a pgplex in transaction mode. */
export async function startPgplex(
  options: PoolerOptions,
  name: "pgplex" | "pgplex-off" | "before",
): Promise<Target> {
  const { node, database } = options;
  const stateCheck = name === "pgplex-off" ? "off" : "learn";
  const dir = (await tempDir("pgplex-bench-")).path;
  const port = freePort();
  await Deno.writeTextFile(`${dir}/pgplex.yaml`, pgplexConfig(options, port, stateCheck));
  const [command, ...args] = name === "before" ? [pgplexBefore()!] : pgplexCommand();
  if (args[0] === "run") args.splice(1, 0, ...options.denoFlags);
  else if (options.denoFlags.length > 0) {
    throw new Error("--deno-flags must be left out with PGPLEX_BIN: an executable has its flags built in");
  }
  const source = args[0] === "run" ? "source" : "executable";
  const printed = await run(command!, { args: [...args, "--version"] }).catch(() => "");
  const daemon = await Daemon.start({
    what: name,
    command: command!,
    args: [...args, "--config", `${dir}/pgplex.yaml`],
    dir,
    ready: () => accepts(port),
  });
  return {
    name,
    version: `${name} ${/\d+\.\d+\.\d+\S*/.exec(printed)?.[0] ?? "(unknown version)"} from ${source}`,
    host: "127.0.0.1",
    port,
    database: `${database}@main`,
    user: node.superuser,
    pid: daemon.pid,
    reads: options.standby === null ? null : { host: "127.0.0.1", port, options: "-c pgplex.intent=read" },
    stop: () => stopDaemon(daemon),
  };
}

function pgplexConfig(
  { node, standby, poolSize }: PoolerOptions,
  port: number,
  stateCheck: "learn" | "off",
): string {
  const nodes = [node, ...standby === null ? [] : [standby]].map(({ host, port }, i) =>
    `{ name: main-${i + 1}, host: ${host}, port: ${port} }`
  );
  return `
listen: { address: 127.0.0.1, port: ${port}, max_client_conn: ${CLIENTS_MAX} }
auth: { type: trust, users: { ${node.superuser}: "${node.superuserPassword}" } }
clusters:
  main:
    nodes: [${nodes.join(", ")}]
    superuser: { user: ${node.superuser}, password: "${node.superuserPassword}", database: postgres }
    tls: { mode: disable }
pool: { pool_mode: transaction, default_pool_size: ${poolSize}, state_check: ${stateCheck} }
log: { level: warning }
`.trimStart();
}

/** Gently first, so that a CPU profile is written; what the log says beside that would have spoiled the numbers. */
async function stopDaemon(daemon: Daemon): Promise<void> {
  try {
    if (daemon.running) await daemon.stop("SIGTERM", 5_000);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}
