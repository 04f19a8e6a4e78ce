import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { ListenerChannels } from "./listener_channels.ts";

Deno.test("ListenerChannels: the first on a channel makes it, the last one ends it", () => {
  const channels = new ListenerChannels<string>();
  deepEqual(channels.add("one", ["a", "b"]), ["a", "b"]);
  deepEqual(channels.add("two", ["b", "c", "c"]), ["c"]);
  deepEqual([...channels.of("b")], ["one", "two"]);
  deepEqual([...channels.counts()], [
    { channel: "a", sessions: 1 },
    { channel: "b", sessions: 2 },
    { channel: "c", sessions: 1 },
  ]);
  deepEqual(channels.retain("one", new Set(["a"])), []);
  deepEqual(channels.retain("two", new Set()), ["b", "c"]);
  deepEqual([...channels.members()], ["one"]);
  deepEqual(channels.retain("one", new Set()), ["a"]);
  deepEqual(channels.retain("one", new Set()), []);
  deepEqual([channels.size, [...channels.members()]], [0, []]);
});

Deno.test("ListenerChannels: a marker belongs to one member and comes once", () => {
  const channels = new ListenerChannels<string>();
  channels.expect(7, "one");
  equal(channels.takeMarker(8), null);
  equal(channels.takeMarker(7), "one");
  equal(channels.takeMarker(7), null);
});

Deno.test("ListenerChannels: thousands of members on one channel, thousands of channels of one member", () => {
  const channels = new ListenerChannels<number>();
  for (let member = 0; member < 5000; member++) channels.add(member, ["all", `own ${member}`]);
  equal(channels.size, 5001);
  equal([...channels.of("all")].length, 5000);
  for (let member = 0; member < 5000; member++) {
    deepEqual(
      channels.retain(member, new Set()),
      member === 4999 ? ["all", "own 4999"] : [`own ${member}`],
    );
  }
  equal(channels.size, 0);
});
