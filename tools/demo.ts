/**
 * `deno task demo`: two PostgreSQL clusters, 14 as `old` and 18 as `main`, this one with a standby, behind one pgplex on 127.0.0.1, to try
 * it out.
 *
 * Everything lives in temporary folders and is gone after Ctrl-C; only the binaries stay in the cache.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Clock } from "../src/kernel/mod.ts";
import { ProgressLine } from "../src/usage/mod.ts";
import {
  type PgplexProcess,
  type PostgresNode,
  type Progress,
  startPgplex,
  startPostgres,
  tempDir,
} from "./embedded/mod.ts";

const USAGE = `Usage: deno task demo [--port PORT]

Starts PostgreSQL 14, PostgreSQL 18 with a standby, and a pgplex in front of them, all on 127.0.0.1, until Ctrl-C.

  --port PORT   where pgplex listens; 6432 unless said
  --help        this text
`;

/** Without them a demoted primary could not be mended, and pgplex moves none. */
const SETTINGS = { wal_log_hints: "on", full_page_writes: "on" };

const SEED = `
CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, at timestamptz DEFAULT now());
INSERT INTO notes (body) VALUES ('Hello from cluster CLUSTER.'), ('SET, PREPARE and LISTEN work here.'),
  ('Try psql -d app@main and psql -d app@old.');
ALTER TABLE notes OWNER TO app;
`;

/** Runs the demo until a signal ends it, and returns the exit code: 0 after Ctrl-C, 1 for a failure, 2 for bad usage. */
export async function demo(args: string[]): Promise<number> {
  const port = readArgs(args);
  if (typeof port === "string") {
    console.log(port);
    return port === USAGE ? 0 : 2;
  }
  await using stack = new AsyncDisposableStack();
  const interrupted = interruption(stack);
  const progress = openProgress();
  const started = start(port, stack, progress).catch((thrown) => thrown as Error);
  const outcome = await Promise.race([interrupted, started]);
  progress?.end();
  if (outcome instanceof Error) {
    console.error(`\nCannot start the demo. ${outcome.message}`);
    return 1;
  }
  if (typeof outcome === "string") {
    said(outcome);
    // What is half started has nobody to dispose of it: the watchdogs end it as soon as this program is gone.
    Deno.exit(0);
  }
  console.log(instructions(port, outcome));
  const { pgplex } = outcome;
  const end = await Promise.race([interrupted, pgplex.exited]);
  if (typeof end === "string") return said(end);
  console.error(`\npgplex ended by itself with exit code ${end.code}. It said:\n${pgplex.log}`);
  return 1;
}

function said(signal: string): number {
  console.log(`\n${signal}: stopping pgplex and both clusters, and removing their folders.`);
  return 0;
}

/** The port, or what to print instead. */
function readArgs(args: string[]): number | string {
  try {
    const options = { port: { type: "string", default: "6432" }, help: { type: "boolean" } } as const;
    const { values } = parseArgs({ args, options });
    if (values.help) return USAGE;
    const port = Number(values.port);
    if (Number.isInteger(port) && port > 0 && port < 65536) return port;
    return `Cannot use --port ${values.port} as it must be a number from 1 to 65535.\n\n${USAGE}`;
  } catch (thrown) {
    return `${(thrown as Error).message}\n\n${USAGE}`;
  }
}

/** Fulfilled with the name of the first signal that asks to stop. */
function interruption(stack: AsyncDisposableStack): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const listener = () => resolve(signal);
      Deno.addSignalListener(signal, listener);
      stack.defer(() => Deno.removeSignalListener(signal, listener));
    }
  });
}

/** What runs. */
interface Demo {
  readonly pgplex: PgplexProcess;
  /** The primary of cluster `main`, as it was at the start. */
  readonly primary: PostgresNode;
}

async function start(
  port: number,
  stack: AsyncDisposableStack,
  progress: ProgressLine | null,
): Promise<Demo> {
  checkPort(port);
  const steps = new Steps(progress);
  const onProgress = ({ major, phase, text }: Progress) =>
    steps.doing(`download ${major}`, phase === "ready" ? null : text);
  // Both are waited for, even when one fails, so that each can be stopped.
  const started = await Promise.allSettled(
    ([["old", 14], ["main", 18]] as const).map(async ([cluster, major]) => {
      steps.doing(cluster, `starting PostgreSQL ${major}`);
      const node = stack.use(await startPostgres({ major, onProgress, settings: SETTINGS }));
      await seed(node, cluster);
      steps.done(cluster, `PostgreSQL ${major} runs as cluster ${cluster} on port ${node.port}`);
      return node;
    }),
  );
  const [old, main] = started.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  steps.doing("standby", "copying PostgreSQL 18 to a standby");
  const standby = stack.use(
    await startPostgres({
      major: 18,
      onProgress,
      settings: SETTINGS,
      copyOf: await stopped(main!),
      starts: false,
    }),
  );
  await main!.start();
  const { host, port: at, superuser: user, superuserPassword: password } = main!;
  await standby.makeStandby(
    `host=${host} port=${at} user=${user} password=${password} application_name=main-2`,
  );
  await standby.start();
  steps.done("standby", `PostgreSQL 18 runs as its standby on port ${standby.port}`);
  const config = {
    listen: { address: "127.0.0.1", port },
    auth: { type: "scram-sha-256", users: { app: "app", postgres: "postgres" } },
    routing: {
      default_cluster: "main",
      databases: { app_old: { cluster: "old", database: "app" } },
    },
    clusters: {
      main: { ...clusterOf("main", main!, standby), failover: "auto", rejoin: "sql" },
      old: clusterOf("old", old!),
    },
    state_file: `${stack.use(await tempDir()).path}/state`,
    console: { admin_users: ["postgres"], stats_users: ["app"] },
  };
  steps.doing("pgplex", "starting pgplex");
  const pgplex = stack.use(await startPgplex({ config }));
  stack.defer(() => pgplex.stop("SIGQUIT").then(() => {}, (thrown) => console.error(thrown.message)));
  return { pgplex, primary: main! };
}

/** Stops a server, so that its data directory can be copied. */
async function stopped(node: PostgresNode): Promise<string> {
  await node.stop();
  return node.dataDir;
}

function checkPort(port: number): void {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  } catch (thrown) {
    const why = thrown instanceof Deno.errors.AddrInUse ? "something listens there already" : String(thrown);
    throw new Error(
      `pgplex should listen on port ${port} of 127.0.0.1, but ${why}. Choose another one: deno task demo --port ${
        port < 65535 ? port + 1 : 6432
      }`,
      { cause: thrown },
    );
  }
}

async function seed(node: PostgresNode, cluster: string): Promise<void> {
  await node.sql("CREATE ROLE app LOGIN PASSWORD 'app'");
  await node.sql("CREATE DATABASE app OWNER app");
  await node.sql(SEED.replace("CLUSTER", cluster), "app");
}

function clusterOf(cluster: string, ...nodes: PostgresNode[]): Record<string, unknown> {
  const [{ superuser, superuserPassword }] = nodes as [PostgresNode];
  return {
    nodes: nodes.map(({ host, port }, index) => ({ name: `${cluster}-${index + 1}`, host, port })),
    superuser: { user: superuser, password: superuserPassword, database: "postgres" },
    tls: { mode: "disable" },
  };
}

/** What is being done, several things at once, for people in front of a terminal. */
class Steps {
  readonly #line: ProgressLine | null;
  readonly #texts = new Map<string, string>();

  constructor(line: ProgressLine | null) {
    this.#line = line;
  }

  /** `text` is being done from now on; null: it is done. */
  doing(step: string, text: string | null): void {
    if (text === null) this.#texts.delete(step);
    else this.#texts.set(step, text);
    if (this.#texts.size === 0) return this.#line?.end();
    this.#line?.step([...this.#texts.values()].join(", "));
  }

  /** What was done is said for good, above of what is still being done. */
  done(step: string, text: string): void {
    this.#line?.end();
    console.log(text);
    this.doing(step, null);
  }
}

/** Standard error, where that is a terminal that can erase a line. */
function openProgress(): ProgressLine | null {
  if (!Deno.stderr.isTerminal() || (Deno.env.get("TERM") ?? "dumb") === "dumb") return null;
  const clock: Pick<Clock, "nowMs" | "after"> = {
    nowMs: () => performance.now(),
    after: (delayMs, fire) => {
      const id = setTimeout(fire, delayMs);
      return { cancel: () => clearTimeout(id) };
    },
  };
  return new ProgressLine({
    write: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
    columns: () => Deno.consoleSize().columns || 80,
    clock,
  });
}

function instructions(port: number, { pgplex: { configPath }, primary }: Demo): string {
  const admin = `postgresql://postgres:postgres@127.0.0.1`;
  const uri = `postgresql://app:app@127.0.0.1:${port}`;
  return `
pgplex listens on 127.0.0.1:${port}; its configuration is ${configPath}

Try, in another terminal:

  psql '${uri}/app@main' -c 'SELECT version()'   # database app of cluster main
  psql '${uri}/app@old' -c 'SELECT version()'    # database app of cluster old
  psql '${uri}/app' -c 'TABLE notes'             # main is the default cluster
  psql '${uri}/app_old' -c 'TABLE notes'         # an alias of app@old
  psql '${uri}/app' -c "SET work_mem = '7MB'" -c 'SHOW work_mem'   # kept, in transaction mode
  psql '${uri}/app' -c "SET pgplex.tag = 'me'" -c 'SHOW pgplex.tag'   # an option of pgplex itself
  psql '${uri}/app?options=-c%20pgplex.intent%3Dread' -c 'SELECT pg_is_in_recovery()'   # on the standby
  psql '${admin}:${port}/pgplex' -c 'SHOW clusters' -c 'SHOW nodes' -c 'SHOW HELP'   # the console

A switchover and a failover, while a psql stays connected: in one terminal

  psql '${uri}/app'                              # SET work_mem = '7MB'; then leave it open

and in another one, the first to and fro, the second behind it:

  psql '${admin}:${port}/pgplex' -c 'SWITCHOVER main' -c 'SWITCHOVER main' -c 'SHOW failovers'
  kill -QUIT $(head -1 ${primary.dataDir}/postmaster.pid); psql '${admin}:${port}/pgplex' -c 'SHOW nodes'

The first one goes on: SHOW work_mem; INSERT INTO notes (body) VALUES ('still here'); TABLE notes;

For programs:

  ${uri}/app@main
  host=127.0.0.1 port=${port} user=app password=app dbname=app@old

Users: app (password app) and postgres (password postgres).
Ctrl-C stops and removes all of it.`;
}

if (import.meta.main) Deno.exit(await demo(Deno.args));
