import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { ServerRefusal } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { outcomeOfError, outcomeOfLogin } from "./outcome.ts";

/** An ErrorResponse's body with this SQLSTATE. */
function refusal(sqlstate: string): ServerRefusal {
  return new ServerRefusal(new TextEncoder().encode(`SFATAL\0C${sqlstate}\0Mno\0\0`));
}

/** The network's error with this cause. */
function unreachable(cause: unknown): PgplexError {
  return new PgplexError("server_unreachable", "the server cannot be reached", {
    log: "h1:5432: why",
    cause,
  });
}

Deno.test("outcomeOfLogin tells a server that starts, one that refuses pgplex, a port that refuses, and silence apart", () => {
  for (
    const [thrown, kind] of [
      [refusal("57P03"), "starting"],
      [refusal("57P01"), "silent"],
      [refusal("28P01"), "denied"],
      [refusal("28000"), "denied"],
      [refusal("3D000"), "denied"],
      [refusal("53300"), "denied"],
      [new PgplexError("server_login_failed", "the server wants a password"), "denied"],
      [new PgplexError("server_protocol", "this is no PostgreSQL"), "denied"],
      [unreachable(Object.assign(new Error("x"), { code: "ECONNREFUSED" })), "refused"],
      [unreachable(new Deno.errors.ConnectionRefused("x")), "refused"],
      [unreachable(new Error("no answer within 2000 ms")), "silent"],
      [new Error("whatever"), "silent"],
    ] as const
  ) deepEqual([outcomeOfLogin(thrown).kind, kind], [kind, kind], String(thrown));
});

Deno.test("outcomeOfLogin says whether a refused login lasts, and what the server and the network said", () => {
  deepEqual(outcomeOfLogin(refusal("28P01")), { kind: "denied", reason: "no (28P01)", lasting: true });
  deepEqual(outcomeOfLogin(refusal("53300")), { kind: "denied", reason: "no (53300)", lasting: false });
  deepEqual(outcomeOfLogin(unreachable(null)), {
    kind: "silent",
    reason: "the server cannot be reached: h1:5432: why",
  });
});

Deno.test("outcomeOfError takes a missing right for a refusal, and anything else for no answer", () => {
  const error = (sqlstate: string) => outcomeOfError(new PgplexError("server_lost", "no", { sqlstate })).kind;
  deepEqual(["42501", "42883", "57014", "53200"].map(error), ["denied", "denied", "silent", "silent"]);
});
