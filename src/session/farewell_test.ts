import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { InvalidMessageLength, type ServerScan } from "../relay/mod.ts";
import { Outbox } from "../transport/mod.ts";
import { FakeClient, sessionParts } from "./fake_sessions_test.ts";
import { Farewell } from "./farewell.ts";

const ERROR = new PgplexError("shutting_down", "over");

/** The end of a session, in the middle of a message of its server or not. */
function rig({ midMessage = false } = {}) {
  const parts = sessionParts();
  const client = new FakeClient();
  const out = new Outbox(client.stream, parts.runtime.buffers);
  const farewell = new Farewell(parts, out, { midMessage } as ServerScan);
  return { parts, client, out, farewell };
}

Deno.test("Farewell.say is the last that the client hears", async () => {
  const { client, out, farewell } = rig();
  out.put(Uint8Array.of(0x31, 0, 0, 0, 4));
  farewell.say(ERROR);
  out.put(Uint8Array.of(0x32, 0, 0, 0, 4));
  farewell.say(new PgplexError("internal", "said once only"));
  await farewell.written();
  equal(client.heard(), "1(FATAL 57P01 over)");
});

Deno.test("Farewell.say says nothing where the server did, or where it would be taken for a row", async () => {
  const said = rig();
  said.farewell.serverSaid();
  for (const { client, farewell } of [said, rig({ midMessage: true })]) {
    farewell.say(ERROR);
    await farewell.written();
    equal(client.heard(), "");
  }
});

Deno.test("Farewell.fail says what the client can know, and counts what is no protocol", async () => {
  for (
    const [thrown, heard, violations] of [
      [ERROR, "(FATAL 57P01 over)", 0],
      [new PgplexError("protocol_violation", "no message"), "(FATAL 08P01 no message)", 1],
      [new InvalidMessageLength(), "", 1],
      [new Deno.errors.ConnectionReset("reset"), "", 0],
    ] as const
  ) {
    const { parts, client, farewell } = rig();
    await farewell.fail(thrown, 7);
    deepEqual([client.heard(), parts.counters.protocolViolations, parts.log.lines], [heard, violations, []]);
  }
});

Deno.test("Farewell.fail tells a defect to the log, and to the client only that there is one", async () => {
  for (const thrown of [new TypeError("x is undefined"), "a string"]) {
    const { parts, client, farewell } = rig();
    await farewell.fail(thrown, 7);
    equal(client.heard(), "(FATAL XX000 internal error)");
    const [{ level, message, fields }] = parts.log.lines as [typeof parts.log.lines[0]];
    deepEqual([level, message, fields.session], ["error", "internal error", 7]);
    ok(String(fields.error).startsWith(thrown instanceof Error ? thrown.message : thrown));
  }
});

Deno.test("Farewell.written does not wait for a client that reads nothing", async () => {
  const { client, out, farewell } = rig();
  const stalled = Promise.withResolvers<void>();
  client.stream.stalled = stalled.promise;
  farewell.say(ERROR);
  await farewell.written();
  equal(out.writing, true);
  stalled.resolve();
  await out.flush();
});
