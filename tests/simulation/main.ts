/**
 * `deno task simulate --seeds N [--from SEED] [--instances N] [--workers N]` runs seeds, prints one that breaks an invariant, and the faults that it
 * takes. `--seed S [--without 1,3] [--quiet]` runs one and tells its story.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { run, type RunResult, shrink } from "./run.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    without: { type: "string", default: "" },
    instances: { type: "string" },
    workers: { type: "string", default: "2" },
  },
});

const instances = values.instances === undefined ? undefined : Number(values.instances);
if (values.seed !== undefined) {
  const without = values.without.split(",").filter((text) => text !== "").map(Number);
  const result = await run(Number(values.seed), { without, instances, tell: (line) => console.log(line) });
  console.log(`seed ${values.seed}: ${result.broken === null ? "held" : `BROKEN ${result.broken.text}`}`);
  console.log(
    `${result.events} events, ${result.acknowledged} writes, moves: ${result.moves.join(", ") || "none"}`,
  );
  Deno.exit(result.broken === null ? 0 : 1);
}
const seeds = Number(values.seeds ?? 1_000);
const from = Number(values.from);
const workers = Math.max(1, Math.min(Number(values.workers), seeds));
const startedMs = performance.now();
const broken: RunResult[] = [];
const totals = { events: 0, virtualMs: 0, acknowledged: 0, moves: new Map<string, number>() };
await Promise.all(Array.from({ length: workers }, (_, at) => work(at)));
const seconds = (performance.now() - startedMs) / 1_000;
console.log(
  `${seeds} seeds from ${from} in ${seconds.toFixed(1)} s: ${(seeds / seconds).toFixed(0)} a second, ` +
    `${
      (totals.virtualMs / 3_600_000).toFixed(1)
    } virtual hours, ${totals.events} events, ${totals.acknowledged} acknowledged writes`,
);
console.log([...totals.moves].toSorted().map(([move, count]) => `${count} ${move}`).join(", "));
const byRule = Map.groupBy(broken, (one) => one.broken!.rule);
for (const [rule, results] of byRule) {
  console.log(
    `BROKEN ${rule}: ${results.length} seeds: ${results.slice(0, 8).map(({ seed }) => seed).join(", ")}`,
  );
  const { seed, broken } = results[0]!;
  const without = await shrink(seed, rule, { instances });
  console.log(`  ${broken!.text}`);
  const howMany = instances === undefined ? "" : ` --instances ${instances}`;
  const left = without.length > 0 ? ` --without ${without.join(",")}` : "";
  console.log(`  deno task simulate --seed ${seed}${howMany}${left}`);
}
if (broken.length > 0) Deno.exit(1);

/** One worker's share: every n-th seed. */
async function work(at: number): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<RunResult | null>) => {
    if (data === null) return resolve();
    totals.events += data.events;
    totals.virtualMs += data.virtualMs;
    totals.acknowledged += data.acknowledged;
    for (const move of data.moves) totals.moves.set(move, (totals.moves.get(move) ?? 0) + 1);
    if (data.broken !== null) broken.push(data);
  };
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage({ from: from + at, to: from + seeds, by: workers, instances });
  await promise;
  worker.terminate();
}
