import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ArbiterEvent, StoredRecord, SwapResult } from "../arbiter/mod.ts";
import { record } from "../arbiter/scene_test.ts";
import { VirtualClock } from "../kernel/mod.ts";
import { ReadFailures } from "./read_failures.ts";
import { RecordCalls } from "./record_calls.ts";

const STORED: StoredRecord = { revision: 5, record: record() };

/** A store whose answers are given by hand. */
class Rig {
  readonly clock = new VirtualClock();
  readonly events: ArbiterEvent[] = [];
  readonly reads: PromiseWithResolvers<StoredRecord | null>[] = [];
  readonly writes: PromiseWithResolvers<SwapResult>[] = [];
  readonly failures: string[] = [];
  isBehind = false;
  readonly calls = new RecordCalls({
    cluster: "main",
    clock: this.clock,
    failures: new ReadFailures((error) => this.failures.push(error)),
    store: {
      record: () => this.#called(this.reads),
      swap: () => this.#called(this.writes),
    },
    tell: (event) => this.events.push(event),
    isBehind: () => this.isBehind,
  });

  get kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  #called<T>(calls: PromiseWithResolvers<T>[]): Promise<T> {
    const call = Promise.withResolvers<T>();
    calls.push(call);
    return call.promise;
  }
}

/** Until everything that has been settled has gone its way. */
async function settled(): Promise<void> {
  for (let at = 0; at < 10; at++) await Promise.resolve();
}

Deno.test("RecordCalls tells what a write has come to", async () => {
  const results: readonly (readonly [SwapResult, ArbiterEvent])[] = [
    [{ kind: "written", revision: 6 }, { kind: "written", revision: 6 }],
    [{ kind: "conflict", stored: STORED }, { kind: "record", stored: STORED }],
    [{ kind: "failed", reason: "full" }, { kind: "write failed", reason: "full" }],
    [{ kind: "unknown", reason: "late" }, { kind: "write unknown", reason: "late" }],
  ];
  for (const [result, event] of results) {
    const rig = new Rig();
    void rig.calls.write(record(), 5);
    rig.writes[0]!.resolve(result);
    await settled();
    deepEqual(rig.events, [event]);
  }
});

Deno.test("RecordCalls reads again until it has read", async () => {
  const rig = new Rig();
  rig.calls.read();
  rig.reads[0]!.reject(new Error("the store is away"));
  await settled();
  deepEqual([rig.kinds, rig.reads.length], [[], 1]);
  rig.clock.advance(200);
  rig.reads[1]!.resolve(STORED);
  await settled();
  deepEqual(rig.events, [{ kind: "record", stored: STORED }]);
});

Deno.test("RecordCalls reads what is newer once no other call is on its way", async () => {
  const rig = new Rig();
  rig.isBehind = true;
  void rig.calls.write(record(), 5);
  rig.calls.catchUp();
  deepEqual(rig.reads.length, 0);
  rig.writes[0]!.resolve({ kind: "unknown", reason: "late" });
  await settled();
  deepEqual(rig.reads.length, 1);
  rig.calls.catchUp();
  deepEqual(rig.reads.length, 1);
});

Deno.test("RecordCalls tells nothing, and asks nothing, behind its end", async () => {
  const rig = new Rig();
  rig.isBehind = true;
  void rig.calls.write(record(), 5);
  rig.calls.read();
  rig.calls.end();
  rig.writes[0]!.resolve({ kind: "written", revision: 6 });
  rig.reads[0]!.reject(new Error("the store is away"));
  await settled();
  rig.calls.catchUp();
  rig.clock.advance(1_000);
  deepEqual([rig.kinds, rig.reads.length], [[], 1]);
});

Deno.test("RecordCalls tells nothing of a look of its own accord that a write has overtaken", async () => {
  for (const overtakes of [false, true]) {
    const rig = new Rig();
    rig.calls.lookAgain();
    if (overtakes) void rig.calls.write(STORED.record, 5);
    rig.reads[0]!.resolve(null);
    await settled();
    deepEqual(rig.kinds, overtakes ? [] : ["record"]);
    if (overtakes) rig.writes[0]!.resolve({ kind: "written", revision: 6 });
    await settled();
    deepEqual(rig.kinds, overtakes ? ["written"] : ["record"]);
  }
});

Deno.test("RecordCalls reads once at a time, however often it is asked, and says once why that fails", async () => {
  const rig = new Rig();
  void rig.calls.write(record({ epoch: 2 }), 5);
  rig.writes[0]!.resolve({ kind: "unknown", reason: "late" });
  await settled();
  for (let count = 0; count < 3; count++) {
    rig.calls.read();
    rig.calls.read();
    equal(rig.reads.length, count + 1);
    rig.reads[count]!.reject(new Error("the disk hangs"));
    await settled();
    rig.calls.read();
    rig.clock.advance(200);
  }
  deepEqual(rig.failures, ["the disk hangs"]);
  rig.reads[3]!.resolve(null);
  await settled();
  rig.clock.advance(1_000);
  deepEqual([rig.kinds, rig.reads.length, rig.clock.pending], [["write unknown", "record"], 4, 0]);
});

Deno.test("RecordCalls reads anew behind a write of unknown end what it was reading before it", async () => {
  const rig = new Rig();
  rig.calls.lookAgain();
  void rig.calls.write(record({ epoch: 2 }), 5);
  rig.writes[0]!.resolve({ kind: "unknown", reason: "late" });
  await settled();
  rig.calls.read();
  rig.reads[0]!.resolve(STORED);
  await settled();
  deepEqual([rig.kinds, rig.reads.length], [["write unknown"], 2]);
  rig.reads[1]!.resolve({ revision: 6, record: record({ epoch: 2 }) });
  await settled();
  deepEqual(rig.events.slice(1), [{ kind: "record", stored: { revision: 6, record: record({ epoch: 2 }) } }]);
});

Deno.test("RecordCalls takes the end of a write for that of no other one, where a look has told of it before", async () => {
  const rig = new Rig();
  void rig.calls.write(record({ epoch: 2 }), 5);
  rig.calls.read();
  rig.reads[0]!.resolve({ revision: 6, record: record({ epoch: 2 }) });
  await settled();
  void rig.calls.write(record({ epoch: 3 }), 6);
  rig.writes[0]!.resolve({ kind: "written", revision: 6 });
  await settled();
  deepEqual(rig.kinds, ["record"]);
  rig.writes[1]!.resolve({ kind: "written", revision: 7 });
  await settled();
  deepEqual(rig.events.slice(1), [{ kind: "written", revision: 7 }]);
});
