import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import type { ByteStream } from "../../transport/mod.ts";
import { Inbox } from "./inbox.ts";

/** A stream that gives out `bytes` in pieces of these sizes, then ends. */
function streamOf(bytes: Uint8Array, sizes: readonly number[]): ByteStream {
  let at = 0;
  let piece = 0;
  return {
    read: (into) => {
      if (at === bytes.length) return Promise.resolve(0);
      const size = Math.min(sizes[piece++ % sizes.length]!, into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + size));
      at += size;
      return Promise.resolve(size);
    },
    writeNow: () => 0,
    write: (from) => Promise.resolve(from.length),
    close: () => {},
  };
}

function messageOf(type: number, length: number): number[] {
  return [type, 0, 0, (length + 4) >> 8, (length + 4) & 255, ...new Array(length).fill(type)];
}

Deno.test("Inbox gives the same messages whatever the pieces in which they come", async () => {
  const message = fc.tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 0, max: 1500 }));
  const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 8 }),
      sizes,
      fc.nat(40),
      async (messages, sizes, early) => {
        const bytes = Uint8Array.from(messages.flatMap(([type, length]) => messageOf(type, length)));
        const inbox = new Inbox(streamOf(bytes.subarray(early), sizes), bytes.slice(0, early), 65_536);
        const seen: [number, number][] = [];
        do {
          for (let frame = inbox.tryTake(); frame !== null; frame = inbox.tryTake()) {
            seen.push([frame.type, frame.body.length]);
            equal(frame.body.every((byte) => byte === frame.type), true);
          }
        } while (await inbox.fill());
        deepEqual(seen, messages);
      },
    ),
  );
});

Deno.test("Inbox refuses lengths that cannot be, and reads once for all who wait", async () => {
  const none = new Inbox(streamOf(new Uint8Array(0), [1]), Uint8Array.from([0x51, 0, 0, 0, 3]), 100);
  throws(() => none.tryTake(), { code: "protocol_violation" });
  const long = new Inbox(streamOf(new Uint8Array(0), [1]), Uint8Array.from([0x51, 0, 0, 0, 101]), 100);
  throws(() => long.tryTake(), { code: "protocol_violation" });
  const inbox = new Inbox(streamOf(Uint8Array.from(messageOf(0x53, 0)), [3]), new Uint8Array(0), 100);
  const [first, second] = [inbox.fill(), inbox.fill()];
  equal(first, second);
  await first;
  equal(inbox.tryTake(), null);
  await inbox.fill();
  equal(inbox.tryTake()!.type, 0x53);
  equal(await inbox.fill(), false);
});
