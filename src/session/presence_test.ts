import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { BufferPool, type ByteStream, Outbox } from "../transport/mod.ts";
import { Presence } from "./presence.ts";

/** A client's end that takes what it is sent at once, until it is `gone`; then the write behind the next one fails. */
class Client implements ByteStream {
  gone = false;
  taken = 0;
  #reset = false;

  read(): Promise<number> {
    return Promise.resolve(0);
  }
  write(from: Uint8Array): Promise<number> {
    return this.#reset ? Promise.reject(new Deno.errors.BrokenPipe("gone")) : Promise.resolve(from.length);
  }
  writeNow(_bytes: Uint8Array, start: number, end: number): number {
    if (this.#reset) return 0;
    this.#reset = this.gone;
    this.taken += end - start;
    return end - start;
  }
  close(): void {}
}

function rig() {
  const clock = new VirtualClock();
  const client = new Client();
  const out = new Outbox(client, new BufferPool());
  const leftMs: number[] = [];
  const presence = new Presence(clock, out, {
    sayNothing: () => out.put(new Uint8Array(9)),
    left: () => leftMs.push(clock.nowMs()),
  });
  /** Time passes, and promises settle. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { clock, client, out, leftMs, presence, pass };
}

Deno.test("a client that is gone is found out by the second look, at the third at the latest", async () => {
  const { client, leftMs, presence, pass } = rig();
  client.gone = true;
  presence.watch();
  await pass(1000);
  equal(leftMs.length, 1);
  equal(leftMs[0]! <= 700, true, `${leftMs[0]} ms`);
});

Deno.test("a client that reads on is waited for while something comes for it, and three seconds behind that", async () => {
  const { clock, client, out, leftMs, presence, pass } = rig();
  presence.watch();
  presence.watch();
  for (let second = 0; second < 10; second++) {
    await pass(1000);
    out.put(new Uint8Array(100));
    void out.flush();
  }
  deepEqual(leftMs, []);
  const saidMs = clock.nowMs();
  await pass(10_000);
  equal(leftMs.length, 1);
  equal(leftMs[0]! - saidMs >= 3000 && leftMs[0]! - saidMs <= 5000, true, `${leftMs[0]! - saidMs} ms`);
  equal(client.taken > 1000, true);
  equal(clock.pending, 0);
});

Deno.test("nobody looks any more once the session is over", async () => {
  const { clock, client, leftMs, presence, pass } = rig();
  presence.watch();
  presence.close();
  presence.watch();
  await pass(5000);
  deepEqual([clock.pending, client.taken, leftMs], [0, 0, []]);
});
