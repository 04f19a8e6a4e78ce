import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Mark, Owed } from "../backend/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import { Progress } from "./progress.ts";

function leased() {
  const progress = new Progress();
  const { server, stream } = fakeServer();
  progress.leaseBegins(server);
  return { progress, server, stream };
}

/** Whether the boundary is reached now. */
function boundary(progress: Progress): boolean {
  progress.checkBoundary();
  return progress.boundary;
}

Deno.test("Progress has no boundary without a lease, and ends it with the lease", () => {
  const progress = new Progress();
  equal(boundary(progress), false);
  progress.leaseBegins(fakeServer().server);
  equal(boundary(progress), true);
  progress.leaseGoesOn();
  equal(progress.boundary, false);
  progress.checkBoundary();
  progress.leaseEnds();
  deepEqual([progress.boundary, progress.server], [false, null]);
});

Deno.test("Progress: neither half a message, nor an open batch, nor a transaction, nor what is owed is a boundary", () => {
  const { progress, server } = leased();
  progress.messageBegins();
  equal(boundary(progress), false);
  progress.messageEnds();
  equal(progress.boundary, true);
  progress.repliesTaken(true);
  deepEqual([progress.boundary, progress.quiet], [false, false]);
  progress.repliesTaken(false);
  equal(progress.boundary, true);
  progress.batchGoesOn();
  equal(boundary(progress), false);
  progress.batchEnds();
  equal(boundary(progress), true);
  server.noteStatus(TxStatus.InTransaction);
  equal(boundary(progress), false);
  server.noteStatus(TxStatus.Idle);
  server.owed.sent(Owed.Query);
  equal(boundary(progress), false);
});

Deno.test("Progress without a lease is quiet between two messages to the client", () => {
  const progress = new Progress();
  equal(progress.quiet, true);
  progress.repliesTaken(true);
  equal(progress.quiet, false);
});

Deno.test("Progress tells a batch that was begun from one of which something was sent; a new lease has none", () => {
  const { progress, server } = leased();
  const seen = () => [progress.openBatch, progress.batchSent];
  progress.batchBegins();
  deepEqual(seen(), [true, false]);
  progress.batchWaits();
  deepEqual(seen(), [false, false]);
  progress.batchGoesOn();
  deepEqual(seen(), [true, true]);
  progress.leaseBegins(server);
  deepEqual(seen(), [false, false]);
});

Deno.test("Progress.syncAhead keeps a failure from a simple query, but not from one that stands in a batch", async () => {
  const { progress, server, stream } = leased();
  progress.syncAhead(server, false);
  progress.batchGoesOn();
  progress.syncAhead(server, true);
  equal(server.owed.length, 0);
  progress.batchEnds();
  progress.syncAhead(server, true);
  await server.out.flush();
  deepEqual(stream.taken(), frontend.sync());
  equal(server.owed.peek(), Owed.Sync | Mark.Swallow);
});
