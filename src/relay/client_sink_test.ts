import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { ClientSink } from "./client_sink.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

function taken(sink: RecordingSink): number[] {
  sink.flush();
  return [...sink.taken()];
}

Deno.test("ClientSink gives bytes to the client, and to a keeper while one is there", () => {
  const [out, keeper] = [new RecordingSink(), new RecordingSink()];
  const sink = new ClientSink(out);
  sink.put(bytes(1));
  sink.divertTo(keeper);
  sink.forward(bytes(0, 2, 0), 1, 2);
  sink.copy(bytes(0, 3, 0), 1, 2);
  sink.straighten();
  sink.put(bytes(4));
  deepEqual([taken(out), taken(keeper)], [[1, 4], [2, 3]]);
});

Deno.test("ClientSink puts what it held behind the message that was passing, once", () => {
  const out = new RecordingSink();
  const sink = new ClientSink(out);
  sink.hold(bytes(8));
  sink.hold(bytes(9));
  equal(sink.holding, true);
  sink.put(bytes(1));
  sink.messageEnds();
  sink.messageEnds();
  deepEqual([taken(out), sink.holding], [[1, 8, 9], false]);
});
