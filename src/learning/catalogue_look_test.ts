import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { catalogueMark, lookAtCatalogue } from "./catalogue_look.ts";
import { CatalogueServer } from "./catalogue_server_test.ts";

/** A routine as the catalogue tells of it: oid, name, reach, language, single, uses. */
const routine = (oid: string, name: string, reach: string | null = null, language = "sql") =>
  [oid, name, reach, language, "f", null] as const;

Deno.test("catalogueMark is what the catalogue says, asked under a timeout of its own", async () => {
  await using catalogue = new CatalogueServer([[["7/9"]], []]);
  catalogue.server.unnamed.parseSent(catalogue, 1, 0);
  equal(await catalogueMark(catalogue.server), "7/9");
  equal(await catalogueMark(catalogue.server), "");
  equal(catalogue.asked[0]!.includes("statement_timeout"), true);
  equal(catalogue.server.unnamed.holds(catalogue, 1), false);
});

Deno.test("lookAtCatalogue reads the sources of what is reached, from name to name", async () => {
  await using catalogue = new CatalogueServer([
    [routine("20001", "on_write", "writing"), routine("20002", "helper"), routine("20003", "other")],
    [["20001", "SELECT helper()"]],
    [["20002", "SET ROLE b"]],
  ]);
  const { reach, cause } = await lookAtCatalogue(catalogue.server);
  deepEqual([reach, cause, catalogue.asked.length], ["writing", "helper", 3]);
  equal(catalogue.asked[1]!.includes("'{20001}'"), true);
  equal(catalogue.asked[2]!.includes("'{20002}'"), true);
});

Deno.test("lookAtCatalogue finds nothing where nothing is reached, and trusts no source that it does not get", async () => {
  await using clean = new CatalogueServer([[routine("20001", "a")]]);
  equal((await lookAtCatalogue(clean.server)).reach, null);
  await using hidden = new CatalogueServer([[routine("20001", "a", "any")], []]);
  deepEqual((await lookAtCatalogue(hidden.server)).reach, "any");
});

Deno.test("lookAtCatalogue reads names in whatever encoding, as they were", async () => {
  await using catalogue = new CatalogueServer([
    [routine("20001", "caf\\303\\251\\\\", "any", "opaque")],
  ]);
  equal((await lookAtCatalogue(catalogue.server)).cause, "caf\xc3\xa9\\");
});

Deno.test("lookAtCatalogue fails where the catalogue cannot be read", async () => {
  await using catalogue = new CatalogueServer(["57014"]);
  await rejects(lookAtCatalogue(catalogue.server), { sqlstate: "57014" });
});
