import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { LogConfig } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { type LogFields, NO_LOG } from "../telemetry/mod.ts";
import { ClientLog } from "./client_log.ts";

const CLIENT = { id: 7, user: "alice", database: "app", peer: { host: "10.0.0.9", port: 4000 } };
const WHO = { client: 7, user: "alice", database: "app", peer: "10.0.0.9:4000" };

function logged(config: Partial<LogConfig>) {
  const lines: [string, LogFields | undefined][] = [];
  const say = (message: string, fields?: LogFields) => void lines.push([message, fields]);
  const log = new ClientLog({ ...NO_LOG, info: say, warning: say }, () => config as LogConfig);
  log.connected(CLIENT, null);
  log.poolerError(
    { ...CLIENT, peer: { host: "unix", port: 0 } },
    new PgplexError("query_wait_timeout", "too long"),
  );
  log.disconnected(CLIENT, { reason: "client close request", lastedMs: 1600 });
  return lines;
}

Deno.test("ClientLog says who came, who went and why, and what it heard, with address, port and id", () => {
  deepEqual(logged({ connections: true, disconnections: true, pooler_errors: true }), [
    ["client connected", { ...WHO, tls: "no" }],
    ["pooler error", { ...WHO, peer: "unix", error: "too long", sqlstate: "53300" }],
    ["client disconnected", { ...WHO, reason: "client close request", seconds: 2 }],
  ]);
});

Deno.test("ClientLog says nothing that is not asked for", () => {
  deepEqual(logged({ connections: false, disconnections: false, pooler_errors: false }), []);
});
