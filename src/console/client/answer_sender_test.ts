import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../../kernel/mod.ts";
import { columns } from "../answer/mod.ts";
import type { Invocation } from "../command/mod.ts";
import { AnswerSender } from "./answer_sender.ts";
import type { DialoguePort } from "./dialogue_port.ts";
import { UNDIRECTED } from "./directives.ts";

function sender(over: Partial<DialoguePort> = {}) {
  const log: string[] = [];
  const port = {
    send: (message: Uint8Array) => void log.push(String.fromCharCode(message[0]!)),
    pace: () => (log.push("pace"), null),
    ...over,
  } as DialoguePort;
  return { it: new AnswerSender(port), log };
}

Deno.test("AnswerSender.directed sends a warning for each directive that is not followed", () => {
  const warning = new PgplexError("invalid_directive", "m");
  const directed = { ...UNDIRECTED, warnings: [warning, warning] };
  const { it, log } = sender({ directed: (text) => (equal(text, "a text"), directed) });
  equal(it.directed("a text"), directed);
  deepEqual(log, ["N", "N"]);
});

Deno.test("AnswerSender.rows looks at the client's pace before each hundred rows", async () => {
  const { it, log } = sender();
  const rows = Array.from({ length: 201 }, (_, n) => [n]);
  await it.rows({ columns: columns("n int4"), rows }, []);
  deepEqual(log.flatMap((what, index) => what === "pace" ? [index] : []), [0, 101, 202]);
  equal(log.length, 204);
});

Deno.test("AnswerSender.rows stops where the client does not want the rest", async () => {
  const canceled = new PgplexError("query_canceled", "m");
  const { it, log } = sender({ pace: () => Promise.reject(canceled) });
  await rejects(it.rows({ columns: columns("n int4"), rows: [[1]] }, []), canceled);
  deepEqual(log, []);
});

Deno.test("AnswerSender.complete says the answer's tag, else the command's first word", () => {
  const tags: string[] = [];
  const { it } = sender({
    send: (message) => void tags.push(new TextDecoder().decode(message.subarray(5, -1))),
  });
  const show = { command: { words: ["SHOW", "POOLS"] } } as unknown as Invocation;
  it.complete(show, {});
  it.complete(show, { tag: "SELECT 1" });
  deepEqual(tags, ["SHOW", "SELECT 1"]);
});

Deno.test("AnswerSender.notices sends each notice", () => {
  const { it, log } = sender();
  it.notices({ notices: [{ severity: "NOTICE", message: "a" }, { severity: "WARNING", message: "b" }] });
  it.notices({});
  deepEqual(log, ["N", "N"]);
});
