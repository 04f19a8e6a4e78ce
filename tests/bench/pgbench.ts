import { removeAll, tempDir } from "../../tools/embedded/mod.ts";
import type { Case } from "./options.ts";
import { STATE_SCRIPTS } from "./state_scripts.ts";

/** What one run of pgbench said. */
export interface PgbenchResult {
  readonly tps: number;
  readonly transactions: number;
  /** Latency that 99 of 100 transactions did not exceed, in microseconds. */
  readonly p99Us: number;
}

/** Where one run of pgbench goes. */
export interface PgbenchRun {
  readonly load: Case;
  readonly seconds: number;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Startup options, as in PGOPTIONS; none unless said. */
  readonly options?: string;
  readonly signal: AbortSignal;
}

const LOG_PREFIX = "log";

/** pgbench ended with an error, or some of its clients did. */
export class PgbenchFailure extends Error {}

/**
 * The pgbench to run. Debian's `/usr/bin/pgbench` is a Perl script around the real one, so that is looked for first.
 *
 * @throws {Error} that says how to install it.
 */
export async function findPgbench(): Promise<string> {
  const named = Deno.env.get("PGBENCH_BIN");
  if (named !== undefined) return named;
  const found: string[] = [];
  for await (const entry of readDirOrNothing("/usr/lib/postgresql")) {
    found.push(`/usr/lib/postgresql/${entry.name}/bin/pgbench`);
  }
  found.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) found.push(`${folder}/pgbench`);
  for (const path of found) {
    if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
  }
  throw new Error(
    "Cannot find pgbench: install it (Debian: apt-get install postgresql), or name it in PGBENCH_BIN",
  );
}

/** Runs pgbench once. @throws {PgbenchFailure} with what it wrote. */
export async function runPgbench(pgbench: string, options: PgbenchRun): Promise<PgbenchResult> {
  const { load } = options;
  const logs = await tempDir("pgplex-bench-log-");
  try {
    const args = [...loadArgs(load, `${logs.path}/script.sql`), "-T", String(options.seconds)];
    args.push("--log", `--log-prefix=${logs.path}/${LOG_PREFIX}`);
    if (load.script === "state") {
      await Deno.writeTextFile(`${logs.path}/script.sql`, STATE_SCRIPTS[load.name].text);
    }
    args.push("-h", options.host, "-p", String(options.port), "-U", options.user, options.database);
    const output = await new Deno.Command(pgbench, {
      args,
      env: {
        PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
        LC_ALL: "C",
        PGSSLMODE: "disable",
        PGGSSENCMODE: "disable",
        PGPASSWORD: "postgres",
        ...(options.options === undefined ? {} : { PGOPTIONS: options.options }),
      },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: options.signal,
    }).output();
    options.signal.throwIfAborted();
    const decoder = new TextDecoder();
    const said = decoder.decode(output.stderr).trim();
    if (!output.success || /aborted|FATAL|ERROR/.test(said)) {
      // Each client says the same.
      const first = said.split("\n").find((line) => /ERROR|FATAL|error/.test(line));
      throw new PgbenchFailure(first ?? `exit code ${output.code}`);
    }
    return {
      ...parseSummary(decoder.decode(output.stdout)),
      p99Us: percentile(await latencies(logs.path), 0.99),
    };
  } finally {
    await removeAll(logs.path);
  }
}

/** pgbench's arguments for `load`; a script that it has not built in is to be in `scriptFile`. */
export function loadArgs(load: Case, scriptFile: string): string[] {
  const args = ["-n", "-M", load.protocol, "-c", String(load.clients)];
  // pgbench prepares by PQprepare, which blocks its thread: a client in a transaction then waits for one that waits for its
  // server connection. With a thread for each client nobody waits for the wrong one.
  const blocks = load.protocol === "prepared" && load.script === "B";
  args.push("-j", String(blocks ? load.clients : Math.min(load.clients, navigator.hardwareConcurrency)));
  if (load.script === "state") args.push("-f", scriptFile);
  else if (load.script !== "B") args.push("-S");
  if (load.script === "C") args.push("-C");
  return args;
}

/** Transactions and tps of pgbench's summary, of releases 12 to 18. */
export function parseSummary(text: string): { tps: number; transactions: number } {
  const transactions = Number(/^number of transactions actually processed: (\d+)/m.exec(text)?.[1]);
  // Releases before 14 print two lines; the last one leaves out the time that connecting took.
  const tps = Number([...text.matchAll(/^tps = ([\d.]+)/gm)].at(-1)?.[1]);
  if (!(transactions > 0) || !(tps > 0)) {
    throw new PgbenchFailure(`Cannot read pgbench's summary: ${text.trim()}`);
  }
  return { tps, transactions };
}

/** The third field of each line, the latency in microseconds, appended to `into`. */
export function parseLog(bytes: Uint8Array, into: number[]): void {
  let field = 0;
  let value = 0;
  for (const byte of bytes) {
    if (byte === 0x0a) {
      field = 0;
      value = 0;
    } else if (byte === 0x20) {
      if (field === 2) into.push(value);
      field++;
    } else if (field === 2) value = value * 10 + byte - 0x30;
  }
}

/** The smallest of `values` that a share `q` of them does not exceed (nearest rank); NaN of none. */
export function percentile(values: readonly number[], q: number): number {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
}

async function latencies(folder: string): Promise<number[]> {
  const all: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(`${LOG_PREFIX}.`)) parseLog(await Deno.readFile(`${folder}/${name}`), all);
  }
  return all;
}

async function* readDirOrNothing(path: string): AsyncIterable<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
  }
}
