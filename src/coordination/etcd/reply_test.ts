import assert from "node:assert/strict";
import { isAboutToken, replyOf } from "./reply.ts";

const [DEADLINE_EXCEEDED, INVALID_ARGUMENT, PERMISSION_DENIED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED] = [
  4,
  3,
  7,
  13,
  14,
  16,
];

Deno.test("etcd's own refusals say that nothing was done", () => {
  for (
    const [code, details] of [
      [PERMISSION_DENIED, "etcdserver: permission denied"],
      [UNAUTHENTICATED, "etcdserver: invalid auth token"],
      [INVALID_ARGUMENT, "etcdserver: user name is empty"],
      [INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"],
    ] as const
  ) assert.deepEqual(replyOf({ code, details }), { kind: "refused", reason: details, code });
});

Deno.test("what may have been done is lost: gRPC's own errors, and etcd's of what it began", () => {
  for (
    const [code, details] of [
      [DEADLINE_EXCEEDED, "Deadline exceeded after 1.5s"],
      [UNAVAILABLE, "Connection dropped"],
      [UNAVAILABLE, "etcdserver: leader changed"],
      [UNAVAILABLE, "etcdserver: request timed out"],
      [INTERNAL, "Received RST_STREAM with code 2"],
      // A proxy between may say so of a call that it has passed on.
      [PERMISSION_DENIED, "not allowed"],
    ] as const
  ) assert.equal(replyOf({ code, details }).kind, "lost", details);
});

Deno.test("a reason is one line, and never empty", () => {
  const reasons = ["a\nb", ""].map((details) => replyOf({ code: UNAVAILABLE, details }));
  assert.deepEqual(reasons.map((reply) => "reason" in reply && reply.reason), ["a b", "gRPC error 14"]);
});

Deno.test("another token helps against an unknown, an outdated and a missing one, and not against a lack of rights", () => {
  const about = (code: number, reason: string) => isAboutToken({ code, reason });
  assert.ok(about(UNAUTHENTICATED, "etcdserver: invalid auth token"));
  assert.ok(about(INVALID_ARGUMENT, "etcdserver: revision of auth store is old"));
  assert.ok(about(INVALID_ARGUMENT, "etcdserver: user name is empty"));
  assert.ok(!about(PERMISSION_DENIED, "etcdserver: permission denied"));
});
