import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type ListenerMember, ListenerMembers } from "./listener_members.ts";
import { Subscription } from "./subscription.ts";

function rig() {
  const told: string[] = [];
  const members = new ListenerMembers();
  const member = (name: string, ...channels: string[]): ListenerMember => {
    const subscription = new Subscription();
    subscription.channels = new Set(channels);
    return {
      subscription,
      notified: ({ payload }) => told.push(`${name} ${payload}`),
      sharedCut: (serial) => told.push(`${name} cut ${serial}`),
      deliver: () => told.push(`${name} deliver`),
      lost: () => told.push(`${name} lost`),
      warn: () => told.push(`${name} warn`),
      listenerUp: () => told.push(`${name} up`),
      listenerGone: () => told.push(`${name} gone`),
    };
  };
  return { members, member, told };
}

const notification = (channel: string, payload: string) => ({ pid: 7, channel, payload });
const MESSAGE = new Uint8Array(1);

Deno.test("ListenerMembers: a notification goes to those whom it concerns, who deliver once for all", () => {
  const { members, member, told } = rig();
  const [first, second, other] = [member("first", "a"), member("second", "a"), member("other")];
  for (const listening of [first, second, other]) members.channels.add(listening, ["a"]);
  members.notified(notification("a", "one"), MESSAGE);
  members.notified(notification("a", "two"), MESSAGE);
  members.notified(notification("b", "three"), MESSAGE);
  members.leave(second);
  members.deliver();
  members.deliver();
  deepEqual(told, ["first one", "second one", "first two", "second two", "first deliver"]);
});

Deno.test("ListenerMembers: a marker is for one session, and for nobody when it comes again or the listener is lost", () => {
  const { members, member, told } = rig();
  const [first, second] = [member("first", "a"), member("second", "a")];
  for (const listening of [first, second]) members.channels.add(listening, ["a"]);
  members.channels.expect(1, first);
  members.channels.expect(2, second);
  members.marked(1);
  members.marked(1);
  members.ended();
  members.marked(2);
  deepEqual(told, ["first cut 1", "first cut null", "second cut null", "first deliver"]);
});

Deno.test("ListenerMembers: who wishes for the listener needs it, and is told once when it is there", () => {
  const { members, member, told } = rig();
  const [listening, wishing] = [member("listening", "a"), member("wishing")];
  equal(members.needed, false);
  members.wish(wishing);
  deepEqual([members.needed, members.all().size], [true, 1]);
  members.channels.add(listening, ["a"]);
  members.up();
  members.up();
  deepEqual(told, ["listening warn", "wishing up", "listening warn"]);
});
