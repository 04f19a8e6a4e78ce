import { match, ok, strictEqual as equal } from "node:assert/strict";
import { ERROR_KINDS, type ErrorCode, PgplexError, toPgplexError } from "./error.ts";

Deno.test("ERROR_KINDS has a five-character SQLSTATE and a sentence in each row", () => {
  for (const [code, { sqlstate, when }] of Object.entries(ERROR_KINDS)) {
    match(sqlstate, /^[0-9A-Z]{5}$/, code);
    match(when, /^\S.* .*\.$/, code);
    match(code, /^[a-z_]+$/);
  }
});

Deno.test("PgplexError takes side, SQLSTATE and whether to retry from its row", () => {
  for (const code of Object.keys(ERROR_KINDS) as ErrorCode[]) {
    const error = new PgplexError(code, "what happened");
    equal(error.side, ERROR_KINDS[code].side);
    equal(error.sqlstate, ERROR_KINDS[code].sqlstate);
    equal(error.retryable, ERROR_KINDS[code].retryable);
    equal(error.message, "what happened");
    equal("cause" in error, false);
  }
});

Deno.test("PgplexError keeps a server's own SQLSTATE and the cause", () => {
  const cause = new Error("socket");
  const error = new PgplexError("server_lost", "gone", { sqlstate: "57P01", cause, log: "10.0.0.1" });
  equal(error.sqlstate, "57P01");
  equal(error.cause, cause);
  equal(error.extra.log, "10.0.0.1");
});

Deno.test("toPgplexError passes a PgplexError on as it is", () => {
  const error = new PgplexError("tls_required", "use TLS");
  equal(toPgplexError(error, "server_lost"), error);
});

Deno.test("toPgplexError tells a client nothing of a defect, and the log everything", () => {
  const cause = new TypeError("undefined is not a function at 10.0.0.1");
  const error = toPgplexError(cause);
  equal(error.code, "internal");
  equal(error.message, "internal error");
  equal(error.extra.log, cause.message);
  equal(error.cause, cause);
});

Deno.test("toPgplexError keeps the text of a socket's error under the caller's code", () => {
  const error = toPgplexError(new Error("connection refused"), "server_unreachable");
  equal(error.message, "connection refused");
  equal(error.code, "server_unreachable");
  const odd = toPgplexError("text", "server_lost");
  equal(odd.message, "text");
  ok(odd instanceof Error);
});
