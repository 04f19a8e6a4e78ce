import { strictEqual as equal } from "node:assert/strict";
import { Owed, OwedReplies } from "../../backend/mod.ts";
import { NameDrops } from "./name_drops.ts";

Deno.test("NameDrops frees names for what stands behind in its batch, but for those made behind it", () => {
  const [drops, owed] = [new NameDrops(), new OwedReplies()];
  owed.sent(Owed.Execute);
  drops.begin(owed, false);
  equal(drops.frees(owed, "a"), true);
  equal(drops.doubtful(owed), false);
  drops.makes("a");
  equal(drops.frees(owed, "a"), false);
  equal(drops.frees(owed, "b"), true);
});

Deno.test("NameDrops is doubtful for later batches and queries until all is answered", () => {
  const [drops, owed] = [new NameDrops(), new OwedReplies()];
  owed.sent(Owed.Query);
  drops.begin(owed, true);
  equal(drops.doubtful(owed), true);
  equal(drops.frees(owed, "a"), false);
  equal(drops.doubtful(new OwedReplies()), false); // another connection: that one is over
  equal(drops.pending, false);
  drops.begin(owed, true);
  owed.ready();
  equal(drops.doubtful(owed), false);
});

Deno.test("NameDrops knows which statements survive one that goes through", () => {
  const [drops, owed] = [new NameDrops(), new OwedReplies()];
  const old = drops.before("a");
  equal(drops.survived(old), true);
  owed.sent(Owed.Execute);
  drops.begin(owed, false);
  drops.makes("b");
  const made = drops.before("b");
  drops.done();
  equal(drops.survived(old), false);
  equal(drops.survived(made), true);
});

Deno.test("NameDrops: one that is bound begins with the Execute of its portal, unless that was bound to something else", () => {
  const [drops, owed] = [new NameDrops(), new OwedReplies()];
  owed.sent(Owed.Bind);
  drops.binds("p");
  drops.binds("q");
  equal(drops.bound, true);
  drops.executes("other", owed);
  equal(drops.frees(owed, "a"), false);
  drops.unbinds("p");
  drops.executes("p", owed);
  equal(drops.frees(owed, "a"), false);
  drops.executes("q", owed);
  equal(drops.frees(owed, "a"), true);
  equal(drops.bound, false);
});

Deno.test("NameDrops: no portal outlives the lease in which it was bound", () => {
  const [drops, owed] = [new NameDrops(), new OwedReplies()];
  drops.binds("p");
  drops.leaseBegins();
  equal(drops.bound, false);
  drops.executes("p", owed);
  equal(drops.pending, false);
});
