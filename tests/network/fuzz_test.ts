import assert from "node:assert/strict";
import { freePort, tempDir } from "../harness/mod.ts";
import {
  type Acceptor,
  type ByteStream,
  EpollNetwork,
  RuntimeNetwork,
  writeAll,
} from "../../src/transport/mod.ts";
import { CLOCK } from "../harness/network_pair.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";

const CLIENTS = 32;

/** How long one read or write may take on a busy machine. */
const STUCK_MS = 10_000;

/** Writes back what it reads, now and then with a pause, and once in a while leaves in the middle. */
async function echo(stream: ByteStream, seeded: Seeded): Promise<void> {
  const buffer = new Uint8Array(seeded.between(1, 70_000));
  try {
    while (!seeded.chance(0.0005)) {
      const count = await inTime(stream.read(buffer), "echo's read");
      if (count === 0) break;
      const now = seeded.chance(0.5) ? stream.writeNow(buffer, 0, count) : 0;
      if (now < count) await inTime(writeAll(stream, buffer.subarray(now, count)), "echo's write");
      if (seeded.chance(0.02)) await pause(seeded.below(4));
    }
  } catch (error) {
    if (error instanceof Stuck) throw error;
  } finally {
    stream.close();
  }
}

/** Sends messages and compares what comes back; returns whether all of it came. */
async function converse(stream: ByteStream, seeded: Seeded): Promise<boolean> {
  const buffer = new Uint8Array(seeded.between(1, 40_000));
  try {
    for (let messages = seeded.below(30); messages >= 0; messages--) {
      const size = seeded.between(1, seeded.chance(0.8) ? 2000 : 600_000);
      const first = seeded.below(256);
      const sent = Uint8Array.from({ length: size }, (_, i) => (first + i * 31 + (i >> 9)) & 255);
      const writing = writeAll(stream, sent);
      writing.catch(() => {});
      for (let at = 0; at < size;) {
        if (seeded.chance(0.002)) return false;
        const count = await inTime(stream.read(buffer), "a client's read");
        if (count === 0) return false;
        const same = Buffer.compare(buffer.subarray(0, count), sent.subarray(at, at + count)) === 0;
        assert.ok(same, `the bytes from ${at} on differ`);
        at += count;
      }
      await inTime(writing, "a client's write");
      if (seeded.chance(0.3)) await pause(seeded.below(4));
    }
    return true;
  } catch (error) {
    if (error instanceof Stuck || error instanceof assert.AssertionError) throw error;
    return false;
  } finally {
    stream.close();
  }
}

class Stuck extends Error {}

async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = CLOCK.after(STUCK_MS, () => late.reject(new Stuck(`${what} waits for ever`)));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** No wait for a condition: gives the thread to others, for long enough that sockets become quiet. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => CLOCK.after(ms, resolve));
}

Deno.test("EpollNetwork loses no byte and no event while descriptors come, go in the middle, and are used again", async () => {
  const seed = announceSeed();
  const endMs = performance.now() + 3000;
  await using dir = await tempDir();
  const epoll = EpollNetwork.open(CLOCK)!;
  const networks = [epoll, new RuntimeNetwork()];
  const port = freePort();
  const acceptors = [
    await epoll.listenTcp("127.0.0.1", port),
    epoll.listenUnix(`${dir.path}/.s.PGSQL.1`),
  ];
  const endpoints = [{ host: "127.0.0.1", port }, { host: dir.path, port: 1 }];
  const echoes: Promise<void>[] = [];
  const accepting = acceptors.map(async (acceptor: Acceptor) => {
    for (;;) echoes.push(echo((await acceptor.accept()).stream, new Seeded(seed, CLIENTS + echoes.length)));
  });
  let whole = 0;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, i) => {
    const seeded = new Seeded(seed, i);
    while (performance.now() < endMs) {
      const stream = await seeded.pick(networks).connect(seeded.pick(endpoints), CLOCK, STUCK_MS);
      if (await converse(stream, seeded)) whole++;
    }
  }));
  for (const acceptor of acceptors) acceptor.close();
  for (const ended of accepting) await assert.rejects(ended, Deno.errors.BadResource);
  await Promise.all(echoes);
  assert.ok(whole > 0 && whole < echoes.length, `${whole} of ${echoes.length} went to their end`);
  await epoll.close();
});
