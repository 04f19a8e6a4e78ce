import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, PgplexError } from "../kernel/mod.ts";
import { Back, encodeBack } from "../protocol/mod.ts";
import { type FrameTaker, takeFrames } from "./frames.ts";

/** Takes messages until it has `max` of them, but for notices, which it always takes. */
class Taker implements FrameTaker {
  readonly frames: string[] = [];
  readonly #max: number;

  constructor(max = Infinity) {
    this.#max = max;
  }

  wants(type: number): boolean {
    return this.frames.length < this.#max || type === Back.NoticeResponse;
  }

  frame(type: number, bytes: Uint8Array, start: number, end: number): void {
    this.frames.push(`${String.fromCharCode(type)} ${[...bytes.subarray(start, end)].join(",")}`);
  }
}

const message = (type: number, ...body: number[]) => encodeBack(type, Uint8Array.from(body));
const THREE = concat(
  message(Back.ReadyForQuery, 73),
  message(Back.NoticeResponse),
  message(Back.DataRow, 0, 0),
);

Deno.test("takeFrames hands over bodies, empty ones too, and says what is left", () => {
  const taker = new Taker();
  equal(takeFrames(taker, THREE, 0, THREE.length), THREE.length);
  deepEqual(taker.frames, ["Z 73", "N ", "D 0,0"]);
});

Deno.test("takeFrames begins and ends where it is told to", () => {
  const taker = new Taker();
  equal(takeFrames(taker, THREE, 6, 11), 11);
  deepEqual(taker.frames, ["N "]);
  equal(takeFrames(taker, THREE, 11, 11), 11);
  equal(taker.frames.length, 1);
});

Deno.test("takeFrames leaves a message that is not whole, be it a byte short or cut in its header", () => {
  for (const end of [7, 10, 12, 15, THREE.length - 1]) {
    const taker = new Taker();
    equal(takeFrames(taker, THREE, 0, end), end < 11 ? 6 : 11);
    equal(taker.frames.length, end < 11 ? 1 : 2);
  }
});

Deno.test("takeFrames stops in front of a message that is not wanted, and asks again for each", () => {
  const taker = new Taker(1);
  equal(takeFrames(taker, THREE, 0, THREE.length), 11);
  deepEqual(taker.frames, ["Z 73", "N "]);
});

Deno.test("takeFrames refuses a length below that of the length itself, behind the messages before it", () => {
  for (const length of [3, 0, -1, -2147483648]) {
    const bytes = concat(message(Back.ReadyForQuery, 73), message(Back.DataRow, 0));
    new DataView(bytes.buffer).setInt32(7, length);
    const taker = new Taker();
    throws(
      () => takeFrames(taker, bytes, 0, bytes.length),
      (error) => error instanceof PgplexError && error.code === "server_protocol",
    );
    deepEqual(taker.frames, ["Z 73"]);
  }
});

Deno.test("takeFrames does not look at the length of what is not wanted", () => {
  const bytes = message(Back.DataRow, 0);
  new DataView(bytes.buffer).setInt32(1, 3);
  equal(takeFrames(new Taker(0), bytes, 0, bytes.length), 0);
});

Deno.test("takeFrames gives the same messages however they arrive", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 65, max: 122 }), fc.uint8Array({ maxLength: 20 })), {
        maxLength: 10,
      }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      (messages, sizes) => {
        const bytes = concat(...messages.map(([type, body]) => encodeBack(type, body)));
        const taker = new Taker();
        let taken = 0;
        for (let end = 0, i = 0; end < bytes.length; i++) {
          end = Math.min(bytes.length, end + sizes[i % sizes.length]!);
          taken = takeFrames(taker, bytes, taken, end);
        }
        equal(taken, bytes.length);
        deepEqual(
          taker.frames,
          messages.map(([type, body]) => `${String.fromCharCode(type)} ${[...body].join(",")}`),
        );
      },
    ),
  );
});
