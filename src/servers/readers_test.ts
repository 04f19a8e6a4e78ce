import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { BalanceConfig } from "../config/mod.ts";
import { type NodeFacts, type TopologyNode, unknownNode } from "../topology/mod.ts";
import { Readers } from "./readers.ts";
import type { ServerPool } from "./server_pool.ts";

const BALANCE: BalanceConfig = {
  max_standby_lag: 100,
  max_standby_lag_bytes: 0,
  read_fallback: "primary",
  read_consistency: "session",
  read_only_is_read: "off",
};

const standby = (name: string, freshMs: number): TopologyNode => ({
  ...unknownNode({ name, host: name, port: 5432 }),
  role: "standby",
  health: "up",
  facts: { freshMs, streaming: true, timeline: 1, lagBytes: 0 } as NodeFacts,
});

function rig() {
  const made: string[] = [];
  const pools = new Map<string, { closed: unknown; fails: boolean; leasedCount: number; hasRoom: boolean }>();
  const world = { nowMs: 0 };
  const readers = new Readers(BALANCE, {
    nowMs: () => world.nowMs,
    poolSize: () => 2,
    poolAt: (node) => {
      made.push(node.name);
      const pool = { closed: null, fails: false, leasedCount: 0, waitingCount: 0, hasRoom: true };
      pools.set(node.name, pool);
      return { node, pool: { ...pool, failsAt: () => pools.get(node.name)!.fails } } as unknown as ServerPool;
    },
  });
  const publish = (...nodes: TopologyNode[]) =>
    readers.update({ name: "main", epoch: 1, phase: "serving", nodes }, BALANCE);
  const names = (times: number, lastWriteMs = -Infinity) =>
    Array.from({ length: times }, () => readers.choose(lastWriteMs)?.node.name ?? null).sort();
  return { readers, publish, names, made, pools, world };
}

Deno.test("Readers takes turns between the standbys, and makes a pool where the first read goes", () => {
  const { readers, publish, names, made } = rig();
  equal(readers.choose(-Infinity), null);
  publish(standby("a", 0), standby("b", 0));
  deepEqual(made, []);
  deepEqual(names(4), ["a", "a", "b", "b"]);
  publish(standby("b", 0), standby("a", 0));
  deepEqual(names(2), ["a", "b"]);
  deepEqual(made.toSorted(), ["a", "b"], "pools stay through snapshots");
});

Deno.test("Readers chooses none that is behind the session's last write, or fell behind as time went on", () => {
  const { readers, publish, names, world } = rig();
  publish(standby("a", 10), standby("b", 20));
  deepEqual(names(3, 10), ["b", "b", "b"]);
  deepEqual(names(1, 20), [null]);
  deepEqual([readers.has(19), readers.has(20)], [true, false]);
  world.nowMs = 115;
  deepEqual(names(2), ["b", "b"]);
  world.nowMs = 121;
  deepEqual(names(1), [null]);
});

Deno.test("Readers knows whose pool may serve a read, and where there is room", () => {
  const { readers, publish } = rig();
  publish(standby("a", 10), standby("b", 20));
  equal(readers.hasRoom(-Infinity), true);
  const pools = [readers.choose(-Infinity)!, readers.choose(-Infinity)!].sort((x, y) =>
    x.node.name < y.node.name ? -1 : 1
  );
  deepEqual(pools.map((pool) => readers.serve(pool, 15)), [false, true]);
  publish(standby("b", 20));
  deepEqual(pools.map((pool) => readers.includes(pool)), [false, true]);
});

Deno.test("Readers leaves out a standby to which no connection can be opened, unless there is nothing else", () => {
  const { readers, publish, names, pools } = rig();
  publish(standby("a", 0), standby("b", 0));
  names(2);
  pools.get("a")!.fails = true;
  deepEqual(names(3), ["b", "b", "b"]);
  pools.get("b")!.fails = true;
  deepEqual(names(1), [null]);
  equal(readers.choose(-Infinity, { evenFailing: true }) !== null, true);
  pools.get("a")!.fails = false;
  deepEqual(names(2), ["a", "a"]);
});
