/**
 * The benchmark: pgbench direct, through PgBouncer and through pgplex, interleaved, on a PostgreSQL of its own.
 *
 * `deno task bench --help` lists the options. Everything that it starts ends with it, by Ctrl-C too. Progress goes to
 * stderr, the report to stdout.
 *
 * @module
 */
import { type PostgresMajor, type PostgresNode, run, startPostgres } from "../../tools/embedded/mod.ts";
import { machine } from "./machine.ts";
import { type BenchOptions, parseOptions, type TargetName, USAGE } from "./options.ts";
import { findPgbench } from "./pgbench.ts";
import { renderReport, replaceSection, type Results } from "./report.ts";
import { measureCases, measureMemory } from "./rounds.ts";
import { STATE_SETUP } from "./state_scripts.ts";
import {
  direct,
  findPgBouncer,
  hasPgplex,
  pgplexBefore,
  startPgBouncer,
  startPgplex,
  type Target,
} from "./targets.ts";

const DATABASE = "bench";

const NODE_SETTINGS: Readonly<Record<string, string>> = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  autovacuum: "off",
  shared_buffers: "256MB",
  max_wal_size: "4GB",
};

if (import.meta.main) Deno.exit(await main(Deno.args));

/** Runs the benchmark; the exit code is 0, 1 after a failure, 2 after bad usage, 130 after Ctrl-C. */
export async function main(args: string[]): Promise<number> {
  let options: BenchOptions | "help";
  try {
    options = parseOptions(args);
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === "help") {
    console.log(USAGE);
    return 0;
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error("stopped by a signal"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, onSignal);
  try {
    const report = renderReport(await measure(options, stop.signal));
    console.log(report);
    if (options.out !== null) await writeSection(options.out, report);
    return 0;
  } catch (thrown) {
    if (stop.signal.aborted) return 130;
    console.error(thrown);
    return 1;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, onSignal);
  }
}

async function measure(options: BenchOptions, signal: AbortSignal): Promise<Results> {
  const pgbench = await findPgbench();
  const bouncer = options.targets.includes("pgbouncer") ? await findPgBouncer() : null;
  const remarks: string[] = [];
  const starters = new Map<TargetName, () => Promise<Target>>();

  await using stack = new AsyncDisposableStack();
  say(`Starting PostgreSQL ${options.major}`);
  const node = stack.use(await startNode(options));
  const version = `PostgreSQL ${(await node.sql("SHOW server_version"))[0]!.server_version}`;
  await node.sql(`CREATE DATABASE ${DATABASE}`);
  say(`Filling pgbench's tables, scale ${options.scale}`);
  signal.throwIfAborted();
  await run(pgbench, {
    args: [
      "-i",
      "-q",
      "-s",
      String(options.scale),
      "-h",
      node.host,
      "-p",
      String(node.port),
      "-U",
      "postgres",
      DATABASE,
    ],
    signal,
  });
  await node.sql(STATE_SETUP, DATABASE);

  const standby = options.cases.some(({ script }) => script === "R")
    ? stack.use(await addStandby(node, options))
    : null;
  const pooler = {
    node,
    standby,
    database: DATABASE,
    poolSize: options.poolSize,
    denoFlags: options.denoFlags,
  };
  if (options.targets.includes("direct")) {
    starters.set("direct", () => Promise.resolve(direct(pooler, version)));
  }
  if (bouncer !== null) starters.set("pgbouncer", () => startPgBouncer(bouncer, pooler));
  else if (options.targets.includes("pgbouncer")) remarks.push("PgBouncer is not installed: left out.");
  if (options.targets.includes("before")) {
    if (pgplexBefore() !== null) starters.set("before", () => startPgplex(pooler, "before"));
    else remarks.push("No pgplex to compare with: PGPLEX_BEFORE_BIN names none; left out.");
  }
  if (options.targets.includes("pgplex")) {
    if (await hasPgplex()) starters.set("pgplex", () => startPgplex(pooler, "pgplex"));
    else remarks.push("No pgplex: neither PGPLEX_BIN nor main.ts names one; left out.");
  }

  const context = { options, node, pgbench, database: DATABASE, starters, remarks, signal, say };
  const { samples, versions } = await measureCases(context, options.cases);
  const stateCheckStarters = new Map<TargetName, () => Promise<Target>>([
    ["pgplex", () => startPgplex(pooler, "pgplex")],
    ["pgplex-off", () => startPgplex(pooler, "pgplex-off")],
  ]);
  const stateCheckCases = starters.has("pgplex") ? options.stateCheckCases : [];
  const state = await measureCases({ ...context, starters: stateCheckStarters }, stateCheckCases);
  const memory = await measureMemory(context);
  return {
    cases: options.cases,
    targets: [...starters.keys()],
    samples,
    stateCheckCases,
    stateCheckSamples: state.samples,
    memory,
    circumstances: await machine({
      options,
      versions: [version, ...versions, ...state.versions],
      pgbench,
    }),
    remarks,
  };
}

async function startNode(options: BenchOptions): Promise<PostgresNode> {
  const clients = Math.max(...[...options.cases, ...options.stateCheckCases].map((load) => load.clients));
  return await startPostgres({
    major: options.major as PostgresMajor,
    auth: "trust",
    settings: { ...NODE_SETTINGS, max_connections: String(clients + 2 * options.poolSize + 20) },
    onProgress: ({ text }) => say(text),
  });
}

/** A standby of `primary`, which is stopped for a moment: it is a copy of its files. */
async function addStandby(primary: PostgresNode, options: BenchOptions): Promise<PostgresNode> {
  say("Adding a standby");
  const [row] = await primary.sql("SHOW max_connections");
  await primary.stop();
  const standby = await startPostgres({
    major: options.major as PostgresMajor,
    auth: "trust",
    settings: { ...NODE_SETTINGS, max_connections: row!.max_connections },
    copyOf: primary.dataDir,
    starts: false,
  });
  await primary.start();
  await standby.makeStandby(`host=${primary.host} port=${primary.port} user=${primary.superuser}`);
  await standby.start();
  return standby;
}

async function writeSection(path: string, report: string): Promise<void> {
  const before = await Deno.readTextFile(path).catch((thrown) => {
    if (thrown instanceof Deno.errors.NotFound) return "";
    throw thrown;
  });
  await Deno.writeTextFile(path, replaceSection(before, report));
  await run(Deno.execPath(), { args: ["fmt", "-q", path] });
  say(`Wrote ${path}`);
}

function say(line: string): void {
  console.error(line);
}
