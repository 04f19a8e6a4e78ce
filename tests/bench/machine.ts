import { run } from "../../tools/embedded/mod.ts";
import type { BenchOptions } from "./options.ts";

/** Lines for the report: the machine, the versions, how it was run, the day. */
export async function machine(
  { options, versions, pgbench }: { options: BenchOptions; versions: readonly string[]; pgbench: string },
): Promise<string[]> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  const model = /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1] ?? Deno.build.arch;
  const { total } = Deno.systemMemoryInfo();
  const tool = (await run(pgbench, { args: ["--version"] })).trim();
  const unique = [...new Set(versions)];
  return [
    `Date: ${new Date().toISOString().slice(0, 10)}`,
    `Machine: ${model}, ${navigator.hardwareConcurrency} cores, ${Math.round(total / 2 ** 30)} GB, ` +
    `${Deno.build.os} ${Deno.osRelease()}; server, proxy and pgbench share it`,
    `Versions: ${unique.join(", ")}, Deno ${Deno.version.deno}, ${tool}`,
    `Medians of ${options.rounds} rounds of ${options.seconds} s, interleaved; scale ${options.scale}, fsync off, ` +
    `TCP on 127.0.0.1, trust, transaction mode, pool size ${options.poolSize}`,
    "Ratio: pgplex to PgBouncer; above 1 is better for tps, worse for p99 and CPU",
  ];
}
