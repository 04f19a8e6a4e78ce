import { ServerRefusal } from "../backend/mod.ts";
import { type PgplexError, toPgplexError } from "../kernel/mod.ts";
import { isRefusedConnection } from "../transport/mod.ts";
import type { NodeAnswer } from "./sample.ts";

/**
 * What became of one question to a node. `silent`: no answer in time, or the way there is broken; `refused`: nothing listens;
 * `starting`: it says that it takes nobody yet, or any more (57P03); `denied`: it is well, and tells pgplex nothing: a login or a
 * statement that it refuses. `reason` is for people, and for logs: no secret is in it.
 */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: NodeAnswer }
  | { readonly kind: "silent" | "refused" | "starting"; readonly reason: string }
  /** `lasting`: it will be so until a person does something. */
  | { readonly kind: "denied"; readonly reason: string; readonly lasting: boolean };

/** What a login that failed says of the node. */
export function outcomeOfLogin(thrown: unknown): Outcome {
  const error = toPgplexError(thrown, "server_unreachable");
  const reason = reasonOf(error);
  if (error instanceof ServerRefusal) {
    if (error.sqlstate === "57P03") return { kind: "starting", reason };
    if (/^57P/.test(error.sqlstate)) return { kind: "silent", reason };
    return { kind: "denied", reason, lasting: error.sqlstate !== "53300" };
  }
  switch (error.code) {
    case "server_login_failed":
    case "server_protocol":
    case "config_invalid":
      return { kind: "denied", reason, lasting: true };
    default:
      return { kind: isRefusedConnection(error.extra.cause) ? "refused" : "silent", reason };
  }
}

/** What an error in place of an answer says of the node, where the connection goes on. */
export function outcomeOfError(error: PgplexError): Outcome {
  const reason = reasonOf(error);
  return /^(42|0A|28)/.test(error.sqlstate)
    ? { kind: "denied", reason, lasting: true }
    : { kind: "silent", reason };
}

/** An error as one line for people, with its SQLSTATE where the server gave one. */
export function reasonOf(error: PgplexError): string {
  const { log, sqlstate } = error.extra;
  const text = log === undefined ? error.message : `${error.message}: ${log}`;
  return sqlstate === undefined ? text : `${text} (${sqlstate})`;
}
