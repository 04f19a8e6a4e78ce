import { run } from "../../tools/embedded/mod.ts";

/** Who connects to what, for every client alike. */
export interface Connection {
  host: string;
  port: number;
  user: string;
  password?: string;
  database: string;
}

/** How to run a client program. */
export interface ClientOptions {
  /** Passed as PGHOST and so on, so that the database's name needs no escaping. */
  connection?: Connection;
  env?: Record<string, string>;
  stdin?: string;
  /** Kills the program then; 30 seconds unless said. */
  deadlineMs?: number;
}

/** What a client program left. */
export interface ClientResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs psql with `args`, never reading a psqlrc: `await psql(["-Atc", "SELECT 1"], { connection })`. */
export async function psql(args: string[], options: ClientOptions = {}): Promise<ClientResult> {
  return await runClient("psql", ["-X", ...args], options);
}

/** Runs pgbench with `args`. */
export async function pgbench(args: string[], options: ClientOptions = {}): Promise<ClientResult> {
  return await runClient("pgbench", args, options);
}

/** The options of npm:pg's Client for `connection`. */
export function pgOptions(connection: Connection): Record<string, unknown> {
  return { ...connection, connectionTimeoutMillis: 10_000 };
}

/** The options of npm:postgres for `connection`: one server connection, no chatter, nothing that outlives a test. */
export function postgresOptions({ user, ...connection }: Connection) {
  return {
    ...connection,
    username: user,
    max: 1,
    connect_timeout: 10,
    onnotice: () => {},
    fetch_types: false,
  };
}

/** @throws {Error} unless `program` is on PATH, saying what to install. */
export async function requireProgram(program: string, install: string): Promise<void> {
  const found = await run("sh", { args: ["-c", `command -v ${program}`] }).then(() => true, () => false);
  if (!found) {
    throw new Error(`This test needs the program ${program}, which is not on PATH: install ${install}`);
  }
}

const INSTALL: Record<string, string> = {
  psql: "PostgreSQL's client programs (Debian and Ubuntu: postgresql-client; Homebrew: libpq)",
  pgbench:
    "PostgreSQL's pgbench (Debian and Ubuntu: postgresql-contrib or postgresql-15; Homebrew: postgresql)",
};

async function runClient(program: string, args: string[], options: ClientOptions): Promise<ClientResult> {
  await requireProgram(program, INSTALL[program] ?? program);
  const { connection, deadlineMs = 30_000 } = options;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(Deno.env.toObject())) {
    // What the developer's shell says about PostgreSQL is not this test's business.
    if (!name.startsWith("PG")) env[name] = value;
  }
  if (connection) {
    env["PGHOST"] = connection.host;
    env["PGPORT"] = String(connection.port);
    env["PGUSER"] = connection.user;
    env["PGDATABASE"] = connection.database;
    if (connection.password !== undefined) env["PGPASSWORD"] = connection.password;
  }
  const child = new Deno.Command(program, {
    args,
    env: { LC_ALL: "C", PGCONNECT_TIMEOUT: "10", ...env, ...options.env },
    clearEnv: true,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  try {
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      // A program that ends early does not read it all: its exit code tells why.
      await writer.write(new TextEncoder().encode(options.stdin)).then(() => writer.close()).catch(() => {});
    }
    const output = await child.output();
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (late) throw new Error(`${program} did not end within ${deadlineMs} ms. It said:\n${stdout}${stderr}`);
    return { code: output.code, stdout: stdout!, stderr: stderr! };
  } finally {
    clearTimeout(timer);
  }
}
