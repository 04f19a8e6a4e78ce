/**
 * What a pgplex costs that has nothing to do: processor time and wake-ups, without `coordination` and with it, one member of etcd, without a
 * cluster to monitor and with one. From source, and as the executable where dist/pgplex is there. Run it on a machine that does nothing
 * else: `deno run -A tests/bench/idle_cost.ts [seconds] [source|executable] [monitored] [--threads]`, 30 seconds of each unless said. One runs at a time:
 * several keep each other's caches and cores awake.
 *
 * @module
 */
import { startEtcd } from "../harness/etcd.ts";
import { startPgplex, startPostgres, waitFor } from "../harness/mod.ts";
import { runOfThreads } from "./process_stats.ts";

const EXECUTABLE = `${import.meta.dirname}/../../dist/pgplex`;
/** What the start has left to do is done behind this time: V8 gives memory back 30 and 40 s behind it, 150 ms of work. */
const SETTLE_MS = 50_000;
const seconds = Number(Deno.args.find((arg) => /^\d+$/.test(arg)) ?? 30);
const kinds = ["source", "executable"].filter((kind) => Deno.args.includes(kind));
const monitored = [false, true].filter((is) => is || !Deno.args.includes("monitored"));

interface Idle {
  readonly from: string;
  readonly isMonitored: boolean;
  readonly hasEtcd: boolean;
}

await using node = await startPostgres({ major: 18, auth: "trust" });
await using etcd = await startEtcd();
const hasExecutable = await Deno.stat(EXECUTABLE).then(() => true, () => false);
console.log(`${seconds} s each: share of a core, wake-ups a second`);
for (const from of kinds.length > 0 ? kinds : ["source", ...hasExecutable ? ["executable"] : []]) {
  for (const isMonitored of monitored) {
    const without = await measure({ from, isMonitored, hasEtcd: false });
    const with_ = await measure({ from, isMonitored, hasEtcd: true });
    console.log(`etcd costs ${(with_ - without).toFixed(2)} %`);
  }
}

/** The share of a core, in per cent. */
async function measure({ from, isMonitored, hasEtcd }: Idle): Promise<number> {
  if (from === "executable") Deno.env.set("PGPLEX_BIN", EXECUTABLE);
  else Deno.env.delete("PGPLEX_BIN");
  const name = `${from}, ${isMonitored ? "a cluster monitored" : "none monitored"}, ${
    hasEtcd ? "with etcd" : "without"
  }`;
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      clusters: {
        main: {
          nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }],
          ...(isMonitored && { superuser: { user: "postgres" } }),
        },
      },
      ...(hasEtcd && {
        coordination: { etcd: { endpoints: [etcd.url], prefix: `/${name}/` }, lease_ttl: "10s" },
      }),
    },
  });
  if (hasEtcd) await waitFor(() => pgplex.log.includes("this instance leads"), { what: `${name} to lead` });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = await runOfThreads(pgplex.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const threads = [...await runOfThreads(pgplex.pid)].map(([id, { name, ranMs, wakeUps }]) => {
    const of = before.get(id) ?? { ranMs: 0, wakeUps: 0 };
    return { name, share: (ranMs - of.ranMs) / seconds / 10, wakeUps: (wakeUps - of.wakeUps) / seconds };
  });
  const sum = (of: "share" | "wakeUps") => threads.reduce((sum, thread) => sum + thread[of], 0);
  const line = (share: number, wakeUps: number, name: string) =>
    `${share.toFixed(2)} %  ${wakeUps.toFixed(0).padStart(4)}/s  ${name}`;
  console.log(line(sum("share"), sum("wakeUps"), name));
  if (Deno.args.includes("--threads")) {
    for (const { name, share, wakeUps } of threads) {
      if (share >= 0.005) console.log("    ", line(share, wakeUps, name));
    }
  }
  return sum("share");
}
