import { run } from "./user.ts";

/** The process ids of those that `pid` started and that still run. */
export async function childrenOf(pid: number): Promise<number[]> {
  const pairs = Deno.build.os === "linux" ? await pairsFromProc() : await pairsFromPs();
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child);
}

/** Sends `signal` to `pid`; one that is gone already is no error. */
export function signalTo(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return;
    // Deno reports ESRCH as a plain TypeError or Error, by version.
    if (!/ESRCH|No such process/i.test(String(thrown))) throw thrown;
  }
}

/** Whether process `pid` exists, be it a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  return await run("sh", { args: ["-c", `kill -0 ${pid}`] }).then(() => true, () => false);
}

/** /proc needs no program: a bare container has no ps. */
async function pairsFromProc(): Promise<[number, number][]> {
  const pairs: [number, number][] = [];
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const stat = await Deno.readTextFile(`/proc/${entry.name}/stat`).catch(() => "");
    // "pid (name) state ppid …": the name may hold blanks and parentheses.
    const ppid = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (ppid) pairs.push([Number(entry.name), Number(ppid)]);
  }
  return pairs;
}

async function pairsFromPs(): Promise<[number, number][]> {
  const lines = (await run("ps", { args: ["-A", "-o", "pid=,ppid="] })).trim().split("\n");
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
