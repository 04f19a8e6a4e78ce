import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { binaryString } from "../protocol/mod.ts";
import { fakeServer } from "./fake_server_test.ts";
import { Mark, Owed } from "./owed_entries.ts";
import { restoreAhead } from "./restore_ahead.ts";

const CHANGES = [
  { name: "app.a", sql: `SET "app"."a" TO '1'` },
  { name: "app.b", sql: `RESET "app"."b"` },
];

/** The messages in these bytes: type, and texts. */
function messagesIn(bytes: Uint8Array): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
    const texts = binaryString(bytes, at + 5, end).split(/\0+/).filter(Boolean);
    messages.push([String.fromCharCode(bytes[at]!), ...texts].join(" "));
    at = end;
  }
  return messages;
}

Deno.test("restoreAhead puts a transaction of its own without a Sync", async () => {
  const { server, stream } = fakeServer();
  restoreAhead(server, CHANGES);
  await server.out.flush();
  deepEqual(messagesIn(new Uint8Array(stream.written)), [
    ...["P BEGIN", "B", "E"],
    ...[`P SET "app"."a" TO '1'`, "B", "E"],
    ...[`P RESET "app"."b"`, "B", "E"],
    ...["P COMMIT", "B", "E"],
  ]);
  equal(server.owed.readies, 0);
});

Deno.test("restoreAhead tells which setting is next, until all is answered, and none of it to the client", () => {
  const { server } = fakeServer();
  restoreAhead(server, CHANGES);
  const next: (string | null | undefined)[] = [server.ahead!.next];
  while (!server.owed.settled) {
    for (const kind of [Owed.Parse, Owed.Bind, Owed.Execute]) {
      const entry = server.owed.reply(kind);
      equal(entry & Mark.Swallow, Mark.Swallow);
    }
    next.push(server.ahead?.next);
  }
  deepEqual(next, [null, "app.a", "app.b", null, undefined]);
  equal(server.ahead, null);
});
