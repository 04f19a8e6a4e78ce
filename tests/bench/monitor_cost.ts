/**
 * What the monitor costs: processor time of an idle pgplex with 20 nodes, with and without it. Run it on a machine that does nothing else:
 * `deno run -A tests/bench/monitor_cost.ts [seconds]`, 60 unless said.
 *
 * @module
 */
import { startPgplex, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { cpuTicks, ticksPerSecond } from "./process_stats.ts";

const CLUSTERS = 10;
const seconds = Number(Deno.args[0] ?? 60);

await using replicas = await Replicas.start();
for (const superuser of [null, { user: "postgres" }]) {
  const clusters = Object.fromEntries(
    Array.from({ length: CLUSTERS }, (_, n) => [`c${n}`, { nodes: replicas.config, superuser }]),
  );
  await using pgplex = await startPgplex({ config: { auth: { type: "trust" }, clusters } });
  if (superuser !== null) {
    await waitFor(() => pgplex.log.split("the primary is served").length === CLUSTERS + 1, {
      what: "all clusters to be known",
    });
  }
  // What the start has left to do is done.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const before = await cpuTicks(pgplex.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const used = (await cpuTicks(pgplex.pid) - before) / await ticksPerSecond();
  const share = (used / seconds * 100).toFixed(2);
  console.log(
    `${superuser === null ? "without" : "with"} the monitor: ${
      used.toFixed(2)
    } s of ${seconds} s, ${share} % of a core`,
  );
}
