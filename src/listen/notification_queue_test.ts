import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NOTIFICATION_BYTES_MAX, NotificationQueue, NOTIFICATIONS_MAX } from "./notification_queue.ts";

Deno.test("NotificationQueue gives back in order over thousands of messages", () => {
  const queue = new NotificationQueue();
  let [pushed, taken] = [0, 0];
  for (let round = 0; round < 3000; round++) {
    for (let i = 0; i < 3; i++) queue.push(Uint8Array.of(pushed++ & 0xff));
    for (let i = 0; i < 2; i++) equal(queue.shift()![0], taken++ & 0xff);
  }
  equal(queue.length, 3000);
  while (queue.length > 0) equal(queue.shift()![0], taken++ & 0xff);
  deepEqual([queue.shift(), queue.bytes], [null, 0]);
});

Deno.test("NotificationQueue keeps as many as it says, and takes more once some are taken out", () => {
  const queue = new NotificationQueue();
  const message = Uint8Array.of(1);
  for (let i = 0; i < NOTIFICATIONS_MAX; i++) equal(queue.push(message), true);
  equal(queue.push(message), false);
  deepEqual([queue.length, queue.bytes], [NOTIFICATIONS_MAX, NOTIFICATIONS_MAX]);
  queue.shift();
  equal(queue.push(message), true);
});

Deno.test("NotificationQueue keeps as many bytes as it says, and nothing of what is too much", () => {
  const queue = new NotificationQueue();
  const half = new Uint8Array(NOTIFICATION_BYTES_MAX / 2);
  deepEqual([queue.push(half), queue.push(half), queue.push(Uint8Array.of(1))], [true, true, false]);
  deepEqual([queue.length, queue.bytes], [2, NOTIFICATION_BYTES_MAX]);
});

Deno.test("NotificationQueue.clear drops everything, and begins anew", () => {
  const queue = new NotificationQueue();
  for (let i = 0; i < 3; i++) queue.push(Uint8Array.of(i));
  queue.shift();
  queue.clear();
  deepEqual([queue.length, queue.bytes, queue.shift()], [0, 0, null]);
  queue.push(Uint8Array.of(9));
  equal(queue.shift()![0], 9);
});
