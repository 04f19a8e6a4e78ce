import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { concat, cstring, int32, message, text } from "../../tests/harness/frontend.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { ListenerConnection } from "./listener_connection.ts";

const ready = message("Z", text("I"));
const listened = concat([message("C", cstring("LISTEN")), ready]);
const notification = (payload: string) => message("A", int32(7), cstring("ch"), cstring(payload));
const error = (sqlstate: string, severity = "ERROR") =>
  message(
    "E",
    cstring(`S${severity}`),
    cstring(`V${severity}`),
    cstring(`C${sqlstate}`),
    cstring("Mwhy"),
    text("\0"),
  );

function rig() {
  const { server, stream } = fakeServer();
  const events: string[] = [];
  const link = new ListenerConnection(server, {
    notified: ({ pid, channel, payload }, bytes) =>
      events.push(`${pid} ${channel} ${payload} ${bytes.length}`),
    received: () => events.push("received"),
    trouble: ({ sqlstate }) => events.push(`trouble ${sqlstate}`),
    ended: ({ sqlstate }) => events.push(`ended ${sqlstate}`),
  });
  const over = server.start();
  const say = async (...bytes: Uint8Array[]) => {
    stream.say(...bytes);
    await stream.drained();
  };
  return { link, stream, events, over, say, server };
}

Deno.test("ListenerConnection tells notifications between and inside of answers, and answers in order", async () => {
  const { link, stream, events, over, say, server } = rig();
  const order: number[] = [];
  const first = link.run('LISTEN "a"').then(() => order.push(1));
  const second = link.run('LISTEN "b"').then(() => order.push(2));
  await say(concat([notification("one"), listened]));
  await first;
  await say(concat([message("C", cstring("LISTEN")), notification("two"), ready]));
  await second;
  deepEqual(order, [1, 2]);
  deepEqual(events, ["7 ch one 16", "received", "7 ch two 16", "received"]);
  equal(new TextDecoder().decode(stream.taken()).includes('LISTEN "a"'), true);
  server.close();
  await over;
});

Deno.test("ListenerConnection takes a notification that comes in pieces as one", async () => {
  const { events, over, say, server } = rig();
  const whole = notification("pieces");
  await say(whole.subarray(0, 3));
  await say(whole.subarray(3, 9));
  await say(whole.subarray(9));
  deepEqual(events.filter((event) => event !== "received"), [`7 ch pieces ${whole.length}`]);
  server.close();
  await over;
});

Deno.test("ListenerConnection: an error is the answer to a command, or trouble of the server's own", async () => {
  const { link, events, over, say, server } = rig();
  const command = link.run("LISTEN nothing");
  await say(concat([error("42601"), ready]));
  await rejects(command, { sqlstate: "42601" });
  await say(concat([error("22P05"), ready]));
  deepEqual(events.filter((event) => event !== "received"), ["trouble 22P05"]);
  server.close();
  await over;
});

Deno.test("ListenerConnection: commands that wait fail when the connection ends, with what the server said last", async () => {
  const { link, stream, events, over, say } = rig();
  const command = link.run("LISTEN a");
  await say(error("57P01", "FATAL"));
  stream.end();
  await rejects(command, { sqlstate: "57P01" });
  await over;
  equal(events.at(-1), "ended 57P01");
  await rejects(link.run("LISTEN b"), { code: "server_lost" });
});
