import { run } from "../../tools/embedded/mod.ts";

/** Clock ticks a second in /proc/PID/stat. */
export async function ticksPerSecond(): Promise<number> {
  return Number((await run("getconf", { args: ["CLK_TCK"] })).trim());
}

/** CPU time in ticks, user and system, of all threads that process `pid` ever had. */
export async function cpuTicks(pid: number): Promise<number> {
  return parseCpuTicks(await Deno.readTextFile(`/proc/${pid}/stat`));
}

/** `utime` and `stime` of a line of /proc/PID/stat, added. The name in parentheses may hold anything. */
export function parseCpuTicks(line: string): number {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // proc(5): utime and stime are fields 14 and 15; the state, field 3, is the first one here.
  return Number(fields[11]) + Number(fields[12]);
}

/** Resident memory of process `pid` in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) * 1024;
}

/** What a thread has run since its start. */
export interface ThreadRun {
  readonly name: string;
  readonly ranMs: number;
  /** How often it had waited and went on: its voluntary context switches. */
  readonly wakeUps: number;
}

/** The threads of process `pid` by their ids, to the microsecond: for processes that do next to nothing. */
export async function runOfThreads(pid: number): Promise<Map<string, ThreadRun>> {
  const threads = new Map<string, ThreadRun>();
  for await (const { name: id } of Deno.readDir(`/proc/${pid}/task`)) {
    const read = (file: string) => Deno.readTextFile(`/proc/${pid}/task/${id}/${file}`).catch(() => "");
    const [schedstat, status, comm] = await Promise.all([read("schedstat"), read("status"), read("comm")]);
    threads.set(id, {
      name: comm.trim(),
      // In nanoseconds, the first of three (Documentation/scheduler/sched-stats.rst).
      ranMs: Number(schedstat.split(" ")[0]) / 1e6,
      wakeUps: Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0),
    });
  }
  return threads;
}
