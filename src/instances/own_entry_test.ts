import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeKeys } from "./fake_store_test.ts";
import type { Answer, Committed, KeyStore } from "./key_store.ts";
import { OwnEntry } from "./own_entry.ts";

const KEY = "acks/1";

/** A store whose writes come to it, and are answered, when a test says. */
class SlowStore {
  readonly keys = new FakeKeys();
  readonly sent: string[] = [];
  mayWrite = true;
  readonly #writes: { come: () => Committed; answer: (answer: Answer<Committed>) => void }[] = [];
  readonly entry = new OwnEntry({
    store: this as unknown as KeyStore,
    key: KEY,
    mayWrite: () => this.mayWrite,
  });

  commit(...[conditions, changes]: Parameters<KeyStore["commit"]>): Promise<Answer<Committed>> {
    const { promise, resolve } = Promise.withResolvers<Answer<Committed>>();
    for (const change of changes) if (change.kind === "put") this.sent.push(change.value);
    this.#writes.push({ come: () => this.keys.commit(conditions, changes), answer: resolve });
    return promise;
  }

  /** The first write that stands out comes to the store; the result answers it. */
  come(): () => Promise<void> {
    const { come, answer } = this.#writes.shift()!;
    const value = come();
    return () => this.#turn(() => answer({ kind: "done", value }));
  }

  async fail(): Promise<void> {
    const { answer } = this.#writes.shift()!;
    await this.#turn(() => answer({ kind: "failed", reason: "no store" }));
  }

  async #turn(answer: () => void): Promise<void> {
    answer();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }

  put(value: string): void {
    this.keys.commit([], [{ kind: "put", key: KEY, value }]);
  }
}

Deno.test("of two things that an instance says at once the second is written behind the answer to the first", async () => {
  const store = new SlowStore();
  store.entry.say("holds");
  store.entry.say("holds, and nothing runs");
  deepEqual(store.sent, ["holds"]);
  await store.come()();
  deepEqual(store.sent, ["holds", "holds, and nothing runs"]);
  await store.come()();
  await store.entry.write();
  deepEqual(store.sent.length, 2);
});

Deno.test("what is heard of a later write counts, though the answer to one's own comes behind it", async () => {
  const store = new SlowStore();
  store.entry.say("mine");
  const answer = store.come();
  store.put("somebody's");
  store.entry.heard(store.keys.list(""));
  await answer();
  void store.entry.write();
  deepEqual(store.sent, ["mine", "mine"]);
});

Deno.test("what is heard late, of before one's own write, does not count", async () => {
  const store = new SlowStore();
  const before = store.keys.list("");
  store.entry.say("mine");
  await store.come()();
  store.entry.heard(before);
  void store.entry.write();
  deepEqual(store.sent, ["mine"]);
});

Deno.test("what a late write has put over it is written again as soon as that is heard", async () => {
  const store = new SlowStore();
  store.entry.say("mine");
  await store.come()();
  store.put("an earlier word");
  store.entry.heard(store.keys.list(""));
  deepEqual(store.sent, ["mine", "mine"]);
});

Deno.test("what was written to a store that has begun anew since is written again", async () => {
  const store = new SlowStore();
  for (let at = 0; at < 5; at++) store.put("before");
  store.entry.say("mine");
  await store.come()();
  store.entry.heard(store.keys.list(""));
  store.entry.heard(new FakeKeys().list(""));
  void store.entry.write();
  deepEqual(store.sent, ["mine", "mine"]);
});

Deno.test("a write that failed is sent again when it is asked for, and at once where there is something new to say", async () => {
  const store = new SlowStore();
  store.entry.say("one");
  await store.fail();
  deepEqual(store.sent, ["one"]);
  void store.entry.write();
  store.entry.say("two");
  await store.fail();
  deepEqual(store.sent, ["one", "one", "two"]);
});

Deno.test("what may not be written yet is written when it may", () => {
  const store = new SlowStore();
  store.mayWrite = false;
  store.entry.say("one");
  deepEqual(store.sent, []);
  store.mayWrite = true;
  void store.entry.write();
  deepEqual(store.sent, ["one"]);
});
