import pg from "pg";
import { type PostgresNode, waitFor } from "../../tools/embedded/mod.ts";
import { type IdleMemory, measureIdle } from "./idle_clients.ts";
import { type BenchOptions, type Case, caseName, type TargetName } from "./options.ts";
import { PgbenchFailure, type PgbenchRun, runPgbench } from "./pgbench.ts";
import { cpuTicks, ticksPerSecond } from "./process_stats.ts";
import { resultKey, type Sample } from "./report.ts";
import type { Target } from "./targets.ts";

/** What the measurements share. */
export interface BenchContext {
  readonly options: BenchOptions;
  readonly node: PostgresNode;
  readonly pgbench: string;
  readonly database: string;
  readonly starters: ReadonlyMap<TargetName, () => Promise<Target>>;
  /** What went wrong is added here. */
  readonly remarks: string[];
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Runs `cases` on all targets, each case's rounds in turn over the targets, so that a slow minute hits all of them. */
export async function measureCases(
  context: BenchContext,
  cases: readonly Case[],
): Promise<{ samples: Map<string, Sample[]>; versions: string[] }> {
  const { options, signal, say, starters } = context;
  const samples = new Map<string, Sample[]>();
  if (cases.length === 0) return { samples, versions: [] };
  const ticks = await ticksPerSecond();
  await using stack = new AsyncDisposableStack();
  const targets: Target[] = [];
  for (const start of starters.values()) {
    const target = await start();
    stack.defer(() => target.stop());
    targets.push(target);
    signal.throwIfAborted();
  }
  for (const target of targets) await warmUp(context, target, cases);
  for (const load of cases) {
    const able = new Set(targets);
    for (let round = 0; round < options.rounds; round++) {
      // Each round begins with another target: who comes first meets caches that the last case left.
      const order = targets.map((_, i) => targets[(i + round) % targets.length]!);
      for (const target of order.filter((target) => able.has(target))) {
        const key = resultKey(load, target.name);
        try {
          const sample = await measureOnce(context, target, load, ticks);
          samples.set(key, [...samples.get(key) ?? [], sample]);
          const cpu = sample.cpuUs === null ? "" : `, CPU ${sample.cpuUs.toFixed(1)} µs/tx`;
          say(
            `${caseName(load)} round ${round + 1} ${target.name}: ${sample.tps.toFixed(0)} tps, ` +
              `p99 ${(sample.p99Us / 1000).toFixed(2)} ms${cpu}`,
          );
        } catch (thrown) {
          signal.throwIfAborted();
          if (!(thrown instanceof PgbenchFailure)) throw thrown;
          able.delete(target);
          samples.delete(key);
          context.remarks.push(`${target.version} cannot run ${caseName(load)}: ${thrown.message}`);
          say(context.remarks.at(-1)!);
        }
      }
    }
  }
  return { samples, versions: targets.map((target) => target.version) };
}

/** Holds idle clients on a fresh process of each proxy. */
export async function measureMemory(context: BenchContext): Promise<Map<TargetName, IdleMemory>> {
  const { options, signal, say, starters, remarks } = context;
  const memory = new Map<TargetName, IdleMemory>();
  const clients = Math.min(options.idleClients, await openFilesMax() - FILES_RESERVED);
  if (options.idleClients === 0) return memory;
  if (clients < options.idleClients) {
    remarks.push(
      `Only ${clients} idle clients: the limit of open files is too low; raise it with ulimit -n.`,
    );
  }
  for (const [name, start] of starters) {
    if (name === "direct" || clients <= 0) continue;
    await using stack = new AsyncDisposableStack();
    const target = await start();
    stack.defer(() => target.stop());
    say(`${name}: ${clients} idle clients`);
    try {
      memory.set(name, await measureIdle({ ...target, pid: target.pid! }, clients, signal));
    } catch (thrown) {
      signal.throwIfAborted();
      remarks.push(`${target.version} did not hold ${clients} idle clients: ${(thrown as Error).message}`);
      say(remarks.at(-1)!);
    }
  }
  return memory;
}

const FILES_RESERVED = 200;

/** The hard limit of open files. Deno raises its own soft limit to it, and what it starts inherits that. */
async function openFilesMax(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits").catch(() => "");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
}

async function measureOnce(
  context: BenchContext,
  target: Target,
  load: Case,
  ticks: number,
): Promise<Sample> {
  const { node, database } = context;
  // What the last run of TPC-B left would slow the next one down.
  if (load.script === "B") {
    await node.sql("VACUUM pgbench_branches", database);
    await node.sql("VACUUM pgbench_tellers", database);
    await node.sql("TRUNCATE pgbench_history", database);
  }
  // So would the rows that temporary tables left in the catalogue.
  if (load.script === "state" && load.name === "temp-table") {
    await node.sql("VACUUM pg_class, pg_attribute, pg_type, pg_depend, pg_shdepend", database);
  }
  if (load.script === "R") await mustRead(context, target);
  const before = target.pid === null ? 0 : await cpuTicks(target.pid);
  const result = await runPgbench(context.pgbench, runOf(context, target, load, context.options.seconds));
  const spent = target.pid === null ? 0 : await cpuTicks(target.pid) - before;
  return {
    tps: result.tps,
    p99Us: result.p99Us,
    cpuUs: target.pid === null ? null : spent / ticks * 1e6 / result.transactions,
  };
}

/** Lets pools fill and compilers compile, in each protocol that will be measured. */
async function warmUp(context: BenchContext, target: Target, cases: readonly Case[]): Promise<void> {
  const { options, signal, say } = context;
  if (options.warmupSeconds === 0) return;
  say(`Warming up ${target.name}, ${target.version}`);
  const protocols = [...new Set(cases.map((load) => load.protocol))];
  // Twice: what a just-in-time compiler made for the first protocol alone it makes again when it has met the others.
  for (const protocol of [...protocols, ...protocols]) {
    const load: Case = { script: "S", protocol, clients: 16 };
    try {
      await runPgbench(context.pgbench, runOf(context, target, load, options.warmupSeconds));
    } catch (thrown) {
      // The case itself will say so.
      if (!(thrown instanceof PgbenchFailure)) throw thrown;
      signal.throwIfAborted();
    }
  }
}

/** How soon a pooler must have found out that the standby is one, and how far it is. */
const READS_WITHIN_MS = 15_000;

/** @throws PgbenchFailure where sessions that read do not get to the standby: something else would be measured */
async function mustRead({ signal }: BenchContext, { reads, database, user }: Target): Promise<void> {
  if (reads === null) throw new PgbenchFailure("it knows no reads on standbys");
  const { host, port, options } = reads;
  const recovers = async () => {
    signal.throwIfAborted();
    const client = new pg.Client({ host, port, user, database, password: "postgres", options });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query("SELECT pg_is_in_recovery() AS recovers")).rows[0].recovers === true;
    } finally {
      await client.end();
    }
  };
  await waitFor(recovers, { what: "reads to get to the standby", deadlineMs: READS_WITHIN_MS })
    .catch((thrown) => {
      signal.throwIfAborted();
      throw new PgbenchFailure((thrown as Error).message);
    });
}

function runOf(context: BenchContext, target: Target, load: Case, seconds: number): PgbenchRun {
  const { host, port, database, user } = target;
  const run = { load, seconds, host, port, database, user, signal: context.signal };
  return load.script === "R" && target.reads !== null ? { ...run, ...target.reads } : run;
}
