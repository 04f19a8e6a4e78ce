import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { attempt, orByHand, troubleOf, VerbTrouble, withoutSecrets } from "./result.ts";

const said = (sqlstate: string) => new PgplexError("server_lost", "no", { sqlstate, detail: "why" });

Deno.test("attempt makes a result of a trouble, and lets defects through", async () => {
  deepEqual(await attempt(() => Promise.resolve({ timeline: 2 })), { ok: true, timeline: 2 });
  deepEqual(await attempt(() => Promise.reject(new VerbTrouble("unknown", "lost"))), {
    ok: false,
    kind: "unknown",
    reason: "lost",
  });
  await rejects(attempt(() => Promise.reject(new TypeError("defect"))), TypeError);
});

Deno.test("troubleOf tells a missing right, a server that ends in the middle, and a plain no", () => {
  for (
    const [sqlstate, acts, kind] of [
      ["42501", true, "not possible"],
      ["0A000", true, "not possible"],
      ["57P01", true, "unknown"],
      ["57P01", false, "failed"],
      ["57014", true, "refused"],
      ["22023", true, "refused"],
    ] as const
  ) {
    equal(troubleOf(said(sqlstate), { acts }).failure.kind, kind, sqlstate);
  }
  equal(troubleOf(said("22023"), { acts: true }).failure.reason, "no: why (22023)");
});

Deno.test("orByHand says what to type only where the role may not do it", async () => {
  const fails = (kind: "refused" | "not possible") =>
    attempt(() => orByHand("SELECT 1", () => Promise.reject(new VerbTrouble(kind, "no"))));
  deepEqual(await fails("not possible"), {
    ok: false,
    kind: "not possible",
    reason: "no",
    instead: "SELECT 1",
  });
  deepEqual(await fails("refused"), { ok: false, kind: "refused", reason: "no" });
});

Deno.test("withoutSecrets hides the password of a conninfo in every way to write it, and known secrets anywhere", () => {
  for (
    const text of [
      "host=a password=geheim port=1",
      "password='ge heim' x",
      "password = 'ge\\'heim' x",
      "PASSWORD=geheim",
      "it is geheim here",
    ]
  ) {
    const clean = withoutSecrets(text, ["geheim"]);
    equal(/heim/.test(clean), false, clean);
    equal(clean.includes("***"), true, clean);
  }
  equal(withoutSecrets("host=a port=1", [""]), "host=a port=1");
});
