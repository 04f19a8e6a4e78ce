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
