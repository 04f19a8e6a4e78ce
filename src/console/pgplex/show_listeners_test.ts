import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showListeners } from "./show_listeners.ts";

const LISTENER = {
  cluster: "main",
  node: "main-1",
  database: "app",
  user: "alice",
  encoding: "UTF8",
  state: "listening",
  pid: 42,
  sinceMs: 0,
};

Deno.test("showListeners has a row for each channel, in the order of the channels", () => {
  const fake = new FakeParts();
  fake.listeners.push(
    { ...LISTENER, channels: [{ channel: "b", sessions: 2 }, { channel: "a", sessions: 1 }] },
    { ...LISTENER, cluster: "other", pid: null, channels: [{ channel: "a", sessions: 3 }] },
    { ...LISTENER, channels: [] },
  );
  const since = "2023-11-14 22:13:20 UTC";
  deepEqual(showListeners(fake.parts).rows, [
    ["a", "main", "app", "alice", 1, "main-1", "UTF8", "listening", 42, since],
    ["a", "other", "app", "alice", 3, "main-1", "UTF8", "listening", null, since],
    ["b", "main", "app", "alice", 2, "main-1", "UTF8", "listening", 42, since],
  ]);
});

Deno.test("showListeners shows a bounded number of channels", () => {
  const fake = new FakeParts();
  const channels = Array.from({ length: 10_001 }, (_, n) => ({ channel: String(n), sessions: 1 }));
  fake.listeners.push({ ...LISTENER, channels });
  equal(showListeners(fake.parts).rows.length, 10_000);
});
