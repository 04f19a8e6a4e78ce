import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { OldProtocol } from "../protocol/mod.ts";
import { FrameLengthError } from "../transport/mod.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeWorker, PEER } from "./fake_worker_test.ts";
import { refuse } from "./refusal.ts";

const ERROR = new PgplexError("unknown_database", "no such database", { hint: "Ask.", log: "for the log" });

/** What a client hears, and what the log says, of a login that ends with this. */
async function refused(thrown: unknown, { audible = true } = {}) {
  const worker = new FakeWorker();
  const client = new FakeClient();
  await refuse(worker, audible ? client.stream : null, thrown, PEER);
  return { bytes: client.stream.taken(), lines: worker.log.lines };
}

Deno.test("refuse says FATAL to the client, and the log what else is known", async () => {
  const worker = new FakeWorker();
  const client = new FakeClient();
  await refuse(worker, client.stream, ERROR, PEER);
  const { type, fields } = client.said()[0]!;
  deepEqual([type, ...["S", "C", "M", "H"].map((field) => fields![field])], [
    "E",
    "FATAL",
    "3D000",
    "no such database",
    "Ask.",
  ]);
  deepEqual(worker.log.lines, [{
    level: "info",
    message: "login refused",
    fields: { peer: "10.0.0.9", error: "no such database", reason: "for the log" },
  }]);
});

Deno.test("refuse says nothing where nothing can be said, and logs it all the same", async () => {
  const { bytes, lines } = await refused(ERROR, { audible: false });
  deepEqual([bytes.length, lines.length], [0, 1]);
});

Deno.test("refuse speaks to a client of an old protocol in its own format", async () => {
  const { bytes } = await refused(new OldProtocol("unsupported_version", "too old"));
  const text = new TextDecoder().decode(bytes);
  deepEqual([text[0], text.includes("too old"), text.at(-1)], ["E", true, "\0"]);
  equal(text.includes("SFATAL"), false);
});

Deno.test("refuse closes without a word where PostgreSQL does, and where the connection broke", async () => {
  for (const thrown of [new FrameLengthError(), new Error("reset by peer"), "anything"]) {
    const { bytes, lines } = await refused(thrown);
    deepEqual([bytes.length, lines.map(({ level }) => level)], [0, ["debug"]]);
  }
});

Deno.test("refuse does not mind a client that has gone", async () => {
  const client = new FakeClient();
  client.stream.close();
  await refuse(new FakeWorker(), client.stream, ERROR, PEER);
});
