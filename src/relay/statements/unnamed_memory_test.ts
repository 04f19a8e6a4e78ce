import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import { UNNAMED_BYTES_MAX, UnnamedMemory } from "./unnamed_memory.ts";

Deno.test("UnnamedMemory keeps the body, in whatever pieces it comes", () => {
  fc.assert(fc.property(
    fc.array(
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 2000 }), fc.array(fc.integer({ min: 1, max: 600 }))),
    ),
    (bodies) => {
      const unnamed = new UnnamedMemory();
      let serial = unnamed.serial;
      for (const [body, sizes] of bodies) {
        unnamed.begin(body.length);
        let at = 0;
        for (const size of sizes) {
          const end = Math.min(body.length, at + size);
          unnamed.record(body, at, end);
          at = end;
        }
        unnamed.record(body, at, body.length);
        deepEqual(unnamed.body, body);
        equal(unnamed.serial > serial, true);
        serial = unnamed.serial;
      }
    },
  ));
});

Deno.test("UnnamedMemory has no statement before one is begun, nor after it was dropped", () => {
  const unnamed = new UnnamedMemory();
  equal(unnamed.body, null);
  unnamed.begin(1);
  unnamed.record(Uint8Array.of(7), 0, 1);
  const serial = unnamed.serial;
  unnamed.drop();
  deepEqual([unnamed.body, unnamed.serial > serial], [null, true]);
});

Deno.test("UnnamedMemory ignores what comes of a statement that was dropped meanwhile", () => {
  const unnamed = new UnnamedMemory();
  unnamed.begin(4);
  unnamed.record(Uint8Array.of(1, 2), 0, 2);
  unnamed.drop();
  unnamed.record(Uint8Array.of(3, 4), 0, 2);
  equal(unnamed.body, null);
});

Deno.test("UnnamedMemory does not keep a statement that is too long", () => {
  const unnamed = new UnnamedMemory();
  unnamed.begin(UNNAMED_BYTES_MAX + 1);
  unnamed.record(new Uint8Array(10), 0, 10);
  const tooLong = unnamed.body;
  unnamed.begin(UNNAMED_BYTES_MAX);
  deepEqual([tooLong, unnamed.body?.length], [null, 0]);
});

Deno.test("UnnamedMemory sends on the types of parameters that the client was told, until it is another statement", () => {
  const unnamed = new UnnamedMemory();
  const body = new TextEncoder().encode("\0Q\0\0\0");
  unnamed.begin(body.length);
  unnamed.record(body, 0, body.length);
  unnamed.describe().parameters = "\0\x01abcd";
  deepEqual(unnamed.typedBody, new TextEncoder().encode("\0Q\0\0\x01abcd"));
  unnamed.reading = "German";
  const { told, reading } = unnamed;
  unnamed.drop();
  deepEqual([unnamed.told, unnamed.typedBody], [null, null]);
  const order = { changes: [], remake: null, show: null };
  unnamed.restore({ body, fingerprint: OPAQUE_FINGERPRINT, order, told, reading });
  deepEqual([unnamed.body, unnamed.told, unnamed.order, unnamed.comes], [body, told, order, false]);
  equal(unnamed.reading, "German");
  equal(unnamed.is(body, 0, body.length), true);
});

Deno.test("UnnamedMemory holds the session to its server while one that is too long waits to be bound", () => {
  const unnamed = new UnnamedMemory();
  unnamed.begin(UNNAMED_BYTES_MAX + 1);
  deepEqual([unnamed.holds, unnamed.tooLarge], [true, true]);
  unnamed.bound();
  deepEqual([unnamed.holds, unnamed.tooLarge], [false, true]);
  unnamed.lose();
  deepEqual([unnamed.holds, unnamed.tooLarge, unnamed.body], [false, true, null]);
});
