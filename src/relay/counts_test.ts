import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { PoolCounters } from "../telemetry/mod.ts";
import { RelayCounts } from "./counts.ts";

Deno.test("RelayCounts adds up what passed since the last time, with what pgplex parsed besides for the server alone", () => {
  const counts = new RelayCounts();
  const counters = new PoolCounters();
  const collected = () => {
    counts.collect(counters);
    const { queries, xacts, clientParses, serverParses, binds } = counters;
    return [queries, xacts, clientParses, serverParses, binds];
  };
  counts.queryAnswered(false);
  counts.queryAnswered(true);
  counts.answeredHere();
  counts.parseTaken();
  counts.internalParseSent();
  counts.bindTaken();
  counts.bindTaken();
  deepEqual(collected(), [3, 1, 1, 2, 2]);
  deepEqual(collected(), [3, 1, 1, 2, 2]);
});
