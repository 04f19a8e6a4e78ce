import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { mayDoWithoutTls, spokenProtocols } from "./cluster_tls.ts";

Deno.test("mayDoWithoutTls is true of the modes in which libpq goes on without TLS", () => {
  const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
  deepEqual(modes.filter(mayDoWithoutTls), ["disable", "allow", "prefer"]);
});

Deno.test("spokenProtocols leaves out versions that are only taken from PgBouncer's files", () => {
  deepEqual(spokenProtocols({ protocols: ["TLSv1.3", "TLSv1", "TLSv1.1", "TLSv1.2"] }), [
    "TLSv1.3",
    "TLSv1.2",
  ]);
  deepEqual(spokenProtocols({ protocols: ["TLSv1.1"] }), []);
});
