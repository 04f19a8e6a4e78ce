import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { encodeCancel } from "../protocol/mod.ts";
import { cancelOn } from "./cancel.ts";
import { fakeRuntime } from "./fake_network_test.ts";
import { fakeServer } from "./fake_server_test.ts";

function rig() {
  const { network, clock } = fakeRuntime();
  const { server } = fakeServer();
  let over = false;
  const cancel = (identity = server.identity) =>
    cancelOn(identity, network, clock, 1000).then(() => over = true);
  return { network, clock, identity: server.identity, cancel, isOver: () => over };
}

Deno.test("cancelOn sends the connection's key to its own server, and waits until that hangs up", async () => {
  const { network, clock, identity, cancel, isOver } = rig();
  const cancelled = cancel();
  const [stream] = network.streams;
  await stream!.drained();
  deepEqual(network.endpoints, [identity.endpoint]);
  deepEqual(stream!.taken(), encodeCancel(identity.key!.pid, identity.key!.secret));
  stream!.say(Uint8Array.of(1));
  await stream!.drained();
  equal(isOver(), false, "bytes are no end");
  stream!.end();
  await cancelled;
  deepEqual([stream!.closed, clock.pending], [true, 0]);
});

Deno.test("cancelOn gives up after its time", async () => {
  const { network, clock, cancel, isOver } = rig();
  const cancelled = cancel();
  await network.streams[0]!.drained();
  clock.advance(999);
  equal(isOver(), false);
  clock.advance(1);
  await cancelled;
  deepEqual([network.streams[0]!.closed, clock.pending], [true, 0]);
});

Deno.test("cancelOn never tells how it went", async () => {
  const { network, identity, cancel } = rig();
  network.refusal = new PgplexError("server_unreachable", "nobody there");
  await cancel();
  network.refusal = null;
  network.onConnect = (stream) => stream.fail(new Error("reset"));
  await cancel();
  await cancel({ ...identity, key: null });
  equal(network.endpoints.length, 2, "without a key there is nothing to ask");
});
