import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";
import { PoolCounters } from "../../telemetry/mod.ts";

const { parse, bind, execute, describe, close, flush, sync, query } = frontend;

Deno.test("ExtendedQuery counts each Parse and Bind once, also where the scan stopped before it", async () => {
  const play = new RelayPlay();
  const counters = new PoolCounters();
  await play.say(parse("SELECT 1", { name: "s" }), bind({ statement: "s" }), execute(), sync());
  await play.say(parse("SELECT 1"), bind(), execute(), sync()); // in one step
  // Waits for the batch before it.
  const failing = bind({ statement: "none" });
  await play.tell(failing, parse("SELECT 2", { name: "t" }), sync(), bind({ statement: "t" }), sync());
  equal(play.rig.waiting, "replies");
  await play.answer();
  play.rig.relay.counts.collect(counters);
  deepEqual([counters.clientParses, counters.binds], [3, 4]);
});

Deno.test("ExtendedQuery holds the lease from the first message of a batch to its Sync", async () => {
  const play = new RelayPlay();
  for (const message of [parse("SELECT 1"), describe("S"), bind(), close("P")]) {
    await play.say(message, flush());
    equal(play.rig.server !== null, true);
    await play.say(sync());
    equal(play.rig.server, null);
    await play.say(parse("SELECT 1"), sync());
  }
});

Deno.test("ExtendedQuery: what it waits for to begin a batch may be a boundary, where channels are lent", async () => {
  const play = new RelayPlay();
  await play.say(query("begin"));
  play.rig.relay.preamble.lendBy({
    wants: ({ notifies }) => notifies,
    before() {},
    beforeSync() {},
    discarded() {},
  });
  await play.tell(query("commit"), parse("NOTIFY a"));
  deepEqual([play.rig.waiting, play.rig.relay.progress.openBatch], ["replies", false]);
});

Deno.test("ExtendedQuery needs a server for what is not about SHOW, and foresees what a statement says of the wait", () => {
  const play = new RelayPlay({ directives: "warn" });
  const { rig } = play;
  const bytes = frontend.concat([parse("--!pgplex query_wait_timeout=5s\nSELECT 1"), sync()]);
  equal(rig.clientScan.scan(bytes, 0, bytes.length), 0);
  equal(rig.host.options.forStatement, true);
});
