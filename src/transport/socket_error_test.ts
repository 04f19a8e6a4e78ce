import assert from "node:assert/strict";
import { failure } from "./epoll/errno.ts";
import { isRefusedConnection, isSocketError } from "./socket_error.ts";

Deno.test("isSocketError() knows what sockets throw from what is a defect", () => {
  // ECONNRESET, EPIPE, ETIMEDOUT and EHOSTUNREACH of Linux.
  for (const errno of [104, 32, 110, 113]) assert.ok(isSocketError(failure("recv", -errno)), `${errno}`);
  assert.ok(isSocketError(new Deno.errors.BadResource("closed")));
  assert.ok(isSocketError(new Deno.errors.Interrupted("closed")));
  assert.match(failure("recv", -110).message, /^recv: .*timed out.* \(ETIMEDOUT\)$/);
  for (const thrown of [new TypeError("a defect"), new RangeError("another"), "text", null]) {
    assert.ok(!isSocketError(thrown));
  }
});

Deno.test("isRefusedConnection() is about ports and socket files where nothing listens, however sockets are served", () => {
  // ECONNREFUSED and ENOENT, then ETIMEDOUT and EHOSTUNREACH of Linux.
  for (const errno of [111, 2]) assert.ok(isRefusedConnection(failure("connect", -errno)), `${errno}`);
  for (const errno of [110, 113]) assert.ok(!isRefusedConnection(failure("connect", -errno)), `${errno}`);
  assert.ok(isRefusedConnection(new Deno.errors.ConnectionRefused("refused")));
  for (const thrown of [new Deno.errors.TimedOut("late"), new TypeError("a defect"), null]) {
    assert.ok(!isRefusedConnection(thrown));
  }
});
