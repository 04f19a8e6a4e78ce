import assert from "node:assert/strict";
import type { Entry, Listing } from "../../instances/mod.ts";
import { ASK_BESIDE_MS, ASK_MS, Following, LIST_AGAIN_MS, LIST_MS, SILENCE_MS } from "./following.ts";
import { type Event, Keys, type WatchResponse } from "./messages.ts";

const keys = new Keys("/p/");
const bytes = (text: string) => new TextEncoder().encode(text);

function entry(key: string, value: string, modRevision: number): Entry {
  return { key, value, createRevision: modRevision, modRevision };
}

function listing(revision: number, ...entries: Entry[]): Listing {
  return { revision, entries: new Map(entries.map((entry) => [entry.key, entry])) };
}

function event(type: "Put" | "Delete", key: string, revision: number, value = ""): Event {
  const at = String(revision);
  const kv = {
    key: bytes(`/p/${key}`),
    value: bytes(value),
    create_revision: at,
    mod_revision: at,
  };
  return { type, kv };
}

function response(events: Event[], more: Partial<WatchResponse> = {}): WatchResponse {
  return {
    header: { revision: "1000" },
    created: false,
    canceled: false,
    compact_revision: "0",
    cancel_reason: "",
    events,
    ...more,
  };
}

Deno.test("changes lead a listing on, by their own revision and not by the header's", () => {
  const following = new Following(keys, listing(10, entry("b", "1", 4)), 0);
  assert.equal(following.nextRevision, 11);
  const changes = [event("Put", "a", 12, "x"), event("Delete", "b", 13)];
  assert.equal(following.take(response(changes), 1), "changed");
  assert.deepEqual(following.listing, listing(13, entry("a", "x", 12)));
  assert.equal(following.nextRevision, 14);
});

Deno.test("entries stay in the order of their keys", () => {
  const following = new Following(keys, listing(1, entry("b", "1", 1)), 0);
  following.take(response([event("Put", "c", 2), event("Put", "a", 2)]), 1);
  assert.deepEqual([...following.listing.entries.keys()], ["a", "b", "c"]);
});

Deno.test("a response without changes is heard and changes nothing", () => {
  const following = new Following(keys, listing(10), 0);
  assert.equal(following.take(response([]), SILENCE_MS), "same");
  assert.equal(following.listing.revision, 10);
  assert.equal(following.due(SILENCE_MS + ASK_MS), "ask");
});

Deno.test("a listing beside the stream counts unless it is older, and its changes are not made twice", () => {
  const following = new Following(keys, listing(10, entry("a", "1", 4)), 0);
  following.take(response([event("Put", "a", 12, "2")]), 1);
  assert.equal(following.adopt(listing(11, entry("a", "1", 4)), { askedAt: 10, nowMs: 2 }), "same");
  assert.equal(following.listing.revision, 12);
  assert.equal(following.adopt(listing(15), { askedAt: 12, nowMs: 3 }), "changed");
  assert.equal(following.take(response([event("Put", "a", 14, "3")]), 4), "same");
  assert.deepEqual(following.listing, listing(15));
});

Deno.test("a stream is over when a listing says that the store has gone back behind what was known before it was asked", () => {
  const following = new Following(keys, listing(10), 0);
  assert.equal(following.adopt(listing(9), { askedAt: 10, nowMs: 1 }), "over");
});

Deno.test("a stream that is cancelled, or has lost what was compacted, is over", () => {
  const following = new Following(keys, listing(10), 0);
  assert.equal(following.take(response([], { canceled: true }), 1), "over");
  assert.equal(following.take(response([], { compact_revision: "50" }), 1), "over");
});

Deno.test("a silent stream is asked, then given up; one that is heard is listed again now and then", () => {
  const following = new Following(keys, listing(10), 0);
  assert.deepEqual([following.due(ASK_MS - 1), following.due(ASK_MS)], ["nothing", "ask"]);
  assert.equal(following.dueMs, ASK_MS);
  assert.deepEqual([ASK_BESIDE_MS - 1, ASK_BESIDE_MS].map((ms) => following.asksBeside(ms)), [false, true]);
  following.asked(ASK_MS);
  assert.equal(following.asksBeside(ASK_MS), false);
  assert.deepEqual([following.due(SILENCE_MS - 1), following.due(SILENCE_MS)], ["nothing", "give up"]);
  assert.equal(following.dueMs, SILENCE_MS);
  const heardMs = LIST_MS - 1;
  following.take(response([]), heardMs);
  assert.equal(following.dueMs, LIST_MS);
  assert.equal(following.due(LIST_MS), "list");
  following.listFailed(LIST_MS);
  assert.equal(following.due(LIST_MS), "nothing");
  assert.deepEqual([following.dueMs, following.due(following.dueMs)], [LIST_MS + LIST_AGAIN_MS, "list"]);
  following.adopt(listing(10), { askedAt: 10, nowMs: LIST_MS });
  assert.equal(following.due(LIST_MS + 1), "nothing");
  assert.deepEqual([following.dueMs, following.due(heardMs + ASK_MS)], [heardMs + ASK_MS, "ask"]);
});
