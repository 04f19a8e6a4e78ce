import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import { NodeDrain } from "./node_drain.ts";
import type { ServerPool } from "./server_pool.ts";

const LOST = new PgplexError("node_lost", "it is moved");

/** A pool with connections of these statuses; those that are cut are gone at once. */
function rig(...statuses: number[]) {
  const cut: number[] = [];
  const atRest: (string | null)[] = statuses.map(() => null);
  const leased = new Set(statuses.map((_, index) => index));
  const connections = statuses.map((txStatus, index) => ({
    closed: false,
    txStatus,
    owed: { settled: true },
    rests: 5,
    cutAtRest(error: PgplexError | null) {
      atRest[index] = error?.message ?? null;
    },
    cut() {
      cut.push(index);
      leased.delete(index);
      this.closed = true;
    },
  }));
  let recycled = 0;
  const pool = {
    recycle: () => void recycled++,
    get leasedCount() {
      return leased.size;
    },
    resources: () => connections.filter(({ closed }) => !closed).map((connection) => ({ connection })),
  };
  const drain = new NodeDrain([{ pool } as unknown as ServerPool], 0);
  const look = (nowMs: number, cuts = false) => drain.look(nowMs, LOST, cuts);
  return { connections, leased, cut, atRest, look, end: () => drain.end(), recycled: () => recycled };
}

Deno.test("NodeDrain waits for transactions, and takes what is idle at once", () => {
  const { connections, leased, cut, look, recycled } = rig(TxStatus.InTransaction);
  equal(recycled(), 1);
  equal(look(1000), false);
  connections[0]!.txStatus = TxStatus.Idle;
  leased.delete(0); // it was given back, and ended
  connections[0]!.closed = true;
  equal(look(1010), true);
  deepEqual(cut, []);
});

Deno.test("NodeDrain gives who keeps a connection a moment, then cuts, but not while a transaction runs", () => {
  const { connections, cut, look } = rig(TxStatus.Idle, TxStatus.InTransaction);
  equal(look(10), false);
  equal(look(2000), false);
  deepEqual(cut, []);
  connections[1]!.txStatus = TxStatus.Idle;
  equal(look(2010), true);
  deepEqual(cut, [0, 1]);
});

Deno.test("NodeDrain cuts behind its transaction who goes on with another one, when it waits for nobody else", () => {
  const { connections, cut, atRest, look, end } = rig(TxStatus.InTransaction, TxStatus.InTransaction);
  connections[1]!.rests++;
  equal(look(10), false);
  equal(look(2000), false);
  deepEqual(atRest, [null, null], "in vain, while the first one runs");
  connections[0]!.txStatus = TxStatus.Idle;
  equal(look(2010), false);
  deepEqual(atRest, [null, "it is moved"]);
  deepEqual(cut, []);
  end();
  deepEqual(atRest, [null, null]);
});

Deno.test("NodeDrain cuts transactions where that is asked for", () => {
  const { cut, look } = rig(TxStatus.InTransaction);
  equal(look(0, true), true);
  deepEqual(cut, [0]);
});
