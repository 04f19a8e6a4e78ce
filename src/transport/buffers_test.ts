import assert from "node:assert/strict";
import { AssertionFailure } from "../kernel/mod.ts";
import { BufferPool, FEW_BYTES, LARGE_BUFFER_BYTES } from "./buffers.ts";

Deno.test("BufferPool lends a buffer again after it was given back, and counts what is out", () => {
  const pool = new BufferPool();
  const first = pool.borrow();
  const second = pool.borrow();
  assert.equal(first.length, LARGE_BUFFER_BYTES);
  assert.notEqual(first, second);
  assert.equal(pool.lent, 2);
  pool.giveBack(first);
  assert.equal(pool.lent, 1);
  assert.equal(pool.borrow(), first);
  assert.equal(pool.lent, 2);
});

Deno.test("BufferPool drops a buffer that was grown, but counts it as given back", () => {
  const pool = new BufferPool();
  pool.borrow();
  const grown = new Uint8Array(LARGE_BUFFER_BYTES * 2);
  pool.giveBack(grown);
  assert.equal(pool.lent, 0);
  assert.equal(pool.borrow().length, LARGE_BUFFER_BYTES);
});

Deno.test("BufferPool keeps small buffers apart from large ones", () => {
  const pool = new BufferPool();
  const [few, large] = [pool.borrowFew(), pool.borrow()];
  assert.deepEqual([few.length, large.length, pool.lent], [FEW_BYTES, LARGE_BUFFER_BYTES, 2]);
  pool.giveBack(few);
  pool.giveBack(large);
  assert.deepEqual([pool.lent, pool.free], [0, 1]);
  assert.equal(pool.borrowFew(), few);
  assert.equal(pool.borrow(), large);
});

Deno.test("BufferPool keeps a bounded number of free buffers", () => {
  const pool = new BufferPool();
  const borrowed = Array.from({ length: 300 }, () => pool.borrow());
  for (const buffer of borrowed) pool.giveBack(buffer);
  const again = new Set(Array.from({ length: 300 }, () => pool.borrow()));
  assert.equal(again.size, 300);
  assert.equal(borrowed.filter((buffer) => again.has(buffer)).length, 256);
});

Deno.test("BufferPool.giveBack refuses more buffers than were lent", () => {
  const pool = new BufferPool();
  pool.giveBack(pool.borrow());
  assert.throws(() => pool.giveBack(new Uint8Array(LARGE_BUFFER_BYTES)), AssertionFailure);
});
