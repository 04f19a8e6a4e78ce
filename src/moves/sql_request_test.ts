import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { commandOf, failoverModeOf, REQUEST_SQL, type SqlRequest } from "./sql_request.ts";

const request = (kind: string, argument: Record<string, unknown>): SqlRequest => ({
  id: "7",
  kind,
  argument,
  askedBy: "dba",
});

Deno.test("requestOf reads a row that was taken, and knows where there is none", () => {
  deepEqual(
    REQUEST_SQL.requestOf(["7", "switchover", '{"target": "n2"}', "dba"]),
    request("switchover", { target: "n2" }),
  );
  equal(REQUEST_SQL.requestOf([null, null, null, null]), null);
  equal(REQUEST_SQL.requestOf(undefined), null);
});

Deno.test("commandOf is the arbiter's command, with what was left out as null", () => {
  deepEqual(commandOf(request("switchover", { target: "n2", within_ms: 5000, force: true })), {
    kind: "switchover",
    to: "n2",
    withinMs: 5000,
    isForced: true,
  });
  deepEqual(commandOf(request("switchover", { target: null, within_ms: null, force: false })), {
    kind: "switchover",
    to: null,
    withinMs: null,
    isForced: false,
  });
  throws(() => commandOf(request("drop everything", {})), /knows no request/);
});

Deno.test("failoverModeOf is what failover_mode was asked for", () => {
  equal(failoverModeOf(request("failover_mode", { mode: "manual" })), "manual");
  equal(failoverModeOf(request("switchover", {})), null);
});

Deno.test("the answer to a request is one literal, whatever stands in it", () => {
  equal(
    REQUEST_SQL.answer({ id: "7", ok: false, text: "it's \\ n1" }),
    "SELECT pgplex.answer_request(7, false, E'it''s \\\\ n1')",
  );
  throws(() => REQUEST_SQL.answer({ id: "7; DROP", ok: true, text: "" }));
});
