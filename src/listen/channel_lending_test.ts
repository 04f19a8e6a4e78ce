import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { HeldBytes, lendChannels, lendMarker } from "./channel_lending.ts";

/** The texts of all Parses, with `|` where a Sync stands. */
async function lent(lend: (server: ReturnType<typeof fakeServer>["server"]) => void): Promise<string> {
  const { server, stream } = fakeServer();
  server.unnamed.parseSent(server, 1, 0);
  lend(server);
  equal(server.unnamed.holds(server, 1), false);
  const syncs = server.owed.readies;
  await server.out.flush();
  const text = new TextDecoder().decode(stream.taken());
  const seen = text.replaceAll("S\0\0\0\x04", "\0|\0").split("\0")
    .filter((part) => part === "|" || /^(UN)?LISTEN |^NOTIFY /.test(part));
  equal(seen.filter((part) => part === "|").length, syncs);
  return seen.join(" ");
}

const lending = { channels: ["a", "b"], marker: "m", serial: 7 };

Deno.test("lendChannels: on an idle server in a transaction of its own, which leaves no marker behind", async () => {
  equal(
    await lent((server) => lendChannels(server, { ...lending, clean: true, simple: true })),
    `LISTEN "a" LISTEN "b" LISTEN "m" NOTIFY "m", '7' | UNLISTEN "m" |`,
  );
});

Deno.test("lendChannels: in the client's transaction, before a query and inside a batch", async () => {
  const all = `LISTEN "a" LISTEN "b" LISTEN "m" NOTIFY "m", '7'`;
  equal(await lent((server) => lendChannels(server, { ...lending, clean: false, simple: true })), `${all} |`);
  equal(await lent((server) => lendChannels(server, { ...lending, clean: false, simple: false })), all);
  equal(await lent((server) => lendMarker(server, "m", true)), `LISTEN "m" |`);
  equal(await lent((server) => lendMarker(server, "m", false)), `LISTEN "m"`);
});

Deno.test("HeldBytes gives on what it was given, in order, however it was given", () => {
  const held = new HeldBytes();
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  held.forward(bytes, 0, 2);
  held.copy(bytes, 2, 3);
  held.forward(bytes, 3, 3);
  held.put(bytes.subarray(3));
  bytes.fill(0);
  const sink = new RecordingSink();
  held.release(sink);
  held.release(sink);
  sink.flush();
  deepEqual([...sink.taken()], [1, 2, 3, 4, 5]);
});
