import { EtcdStore } from "../../src/coordination/mod.ts";
import { openStore } from "./store_rig.ts";

/**
 * A program that uses a store in all ways at once until its input ends, and then prints what came of it: of the process, `etcd_rounds_test.ts`
 * sees whether it lived so long.
 */
export interface Came {
  readonly writes: number;
  readonly unknown: number;
  readonly failed: number;
  readonly longestMs: number;
  /** Acknowledged writes that are not in the store. */
  readonly missing: number;
  /** Whether the watch told the last one. */
  readonly isWatched: boolean;
}

async function main(endpoints: readonly string[]): Promise<Came> {
  const store = await openStore({ endpoints });
  let isOver = false;
  Deno.stdin.read(new Uint8Array(1)).finally(() => isOver = true);
  const acknowledged: string[] = [];
  let seen = new Set<string>();
  store.watch("w/", ({ entries }) => seen = new Set(entries.keys()));
  const came = { writes: 0, unknown: 0, failed: 0, longestMs: 0 };
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

  const write = async (worker: number) => {
    for (let n = 0; !isOver; n++) {
      const key = `w/${worker}-${String(n % 500).padStart(3, "0")}`;
      const startMs = performance.now();
      const answer = await store.commit([], [{ kind: "put", key, value: String(n) }]);
      came.longestMs = Math.max(came.longestMs, performance.now() - startMs);
      came.writes++;
      if (answer.kind === "done") acknowledged.push(key);
      else came[answer.kind]++;
      await turn();
    }
  };
  const read = async () => {
    while (!isOver) {
      await store.list("w/0-00");
      await turn();
    }
  };
  await Promise.all([write(0), write(1), read(), read()]);
  const { missing, isWatched } = await found(store, acknowledged, () => seen);
  await store.close();
  return { ...came, missing, isWatched };
}

async function found(store: EtcdStore, acknowledged: readonly string[], seen: () => ReadonlySet<string>) {
  const untilMs = performance.now() + 20_000;
  let last = { missing: acknowledged.length, isWatched: false };
  while (performance.now() < untilMs && (last.missing > 0 || !last.isWatched)) {
    const listed = await store.list("w/");
    if (listed.kind === "done") {
      const { entries } = listed.value;
      last = {
        missing: acknowledged.filter((key) => !entries.has(key)).length,
        isWatched: [...entries.keys()].every((key) => seen().has(key)),
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return last;
}

if (import.meta.main) {
  console.log(JSON.stringify(await main(Deno.args)));
  // Whoever started it waits for the end of the process, and so for what would keep it.
}
