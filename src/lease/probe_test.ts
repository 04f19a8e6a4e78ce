import { rejects, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeBack, encodeError, encodeReadyForQuery } from "../protocol/mod.ts";
import { probe } from "./probe.ts";

const READY = encodeReadyForQuery("I".charCodeAt(0));
const CANCELED = encodeError(
  "ERROR",
  new PgplexError("query_canceled", "canceling statement due to statement timeout"),
);

/** A DataRow of these texts. */
function row(...texts: string[]): Uint8Array {
  const body = [texts.length >> 8, texts.length & 255];
  for (const text of texts) body.push(0, 0, 0, text.length, ...new TextEncoder().encode(text));
  return encodeBack("D".charCodeAt(0), Uint8Array.from(body));
}

/** A server whose session has a statement_timeout of 1 ms, which cancels each of the first `canceled` requests. */
function busyServer(canceled: number): ReturnType<typeof fakeServer> & { requests: string[] } {
  const fake = fakeServer();
  const requests: string[] = [];
  fake.stream.onWrite = (bytes) => {
    const text = new TextDecoder().decode(bytes);
    requests.push(text);
    if (requests.length <= canceled) return fake.stream.say(CANCELED, READY);
    if (text.startsWith("Q")) return fake.stream.say(row("1ms"), READY);
    const local = text.includes("set_config('statement_timeout', '0', true)");
    fake.stream.say(
      ...(local ? [row("0")] : []),
      row("s", "statement_timeout", local ? "0" : "1ms"),
      row("s", "work_mem", "8192"),
      READY,
    );
  };
  return { ...fake, requests };
}

for (const canceled of [0, 1, 2, 3, 7, 19]) {
  Deno.test(`probe() finds the session's statement_timeout though it cancels ${canceled} requests`, async () => {
    const { server, stream, statements } = busyServer(canceled);
    const reader = server.start();
    const { settings } = await probe(server, [], statements);
    equal(settings.values.get("statement_timeout"), "1ms");
    equal(settings.values.get("work_mem"), "8192");
    stream.onWrite = null;
    server.close();
    await reader;
  });
}

Deno.test("probe() gives up, rather than guess, where every request is cancelled", async () => {
  const { server, stream, statements, requests } = busyServer(Infinity);
  const reader = server.start();
  await rejects(probe(server, [], statements), { sqlstate: "57014" });
  equal(requests.length, 21);
  stream.onWrite = null;
  server.close();
  await reader;
});
