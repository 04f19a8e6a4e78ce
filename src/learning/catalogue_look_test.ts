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
  const [begin, ...rest] = catalogue.around;
  equal(begin!.startsWith("BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY"), true);
  const around = ["SET LOCAL statement_timeout TO '2s'", "?", "COMMIT"];
  deepEqual(rest, [...around, begin, ...around]);
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

Deno.test("lookAtCatalogue takes a routine of the database's own with a harmless name for reached, and not the server's own", async () => {
  await using catalogue = new CatalogueServer([
    [
      routine("870", "lower", null, "opaque"),
      routine("20001", "set_config", "writing"),
      routine("20002", "Lower"),
    ],
    [["20001", "SET ROLE b"]],
  ]);
  const { reach, cause } = await lookAtCatalogue(catalogue.server);
  deepEqual([reach, cause], ["any", "set_config"]);
});

Deno.test("lookAtCatalogue asks for functions of the server that may change session state, and for volatile ones that it does not know", async () => {
  await using catalogue = new CatalogueServer([[]]);
  await lookAtCatalogue(catalogue.server);
  const [wanted, unwanted] = [...catalogue.asked[0]!.matchAll(/\(?'\{([a-z_0-9,]*)\}'::pg_catalog.name\[\]/g)]
    .map(([, names]) => names!.split(",")).filter((names) => names.length > 10);
  deepEqual(["set_config", "schema_to_xml", "currval"].map((name) => wanted!.includes(name)), [
    true,
    true,
    false,
  ]);
  deepEqual(["random", "nextval", "setseed"].map((name) => unwanted!.includes(name)), [true, true, false]);
});

Deno.test("lookAtCatalogue reads names in whatever encoding, as they were", async () => {
  await using catalogue = new CatalogueServer([
    [routine("20001", "caf\\303\\251\\\\", "any", "opaque")],
  ]);
  equal((await lookAtCatalogue(catalogue.server)).cause, "caf\xc3\xa9\\");
});

Deno.test("lookAtCatalogue fails where the catalogue cannot be read", async () => {
  await using catalogue = new CatalogueServer([[routine("20001", "a", "any")], "42501"]);
  await rejects(lookAtCatalogue(catalogue.server), { sqlstate: "42501" });
  await using late = new CatalogueServer(Array(20).fill("57014"));
  await rejects(lookAtCatalogue(late.server), { sqlstate: "57014" });
});

Deno.test("lookAtCatalogue reads what statements call by name, and tells it from what they do not", async () => {
  await using catalogue = new CatalogueServer([
    [routine("20001", "quiet"), routine("20002", "loud"), routine("20003", "other")],
    [["20001", "SELECT 1"], ["20002", "SET ROLE b"]],
  ]);
  const found = await lookAtCatalogue(catalogue.server, ["quiet", "loud", "gone"]);
  equal(catalogue.asked[1]!.includes("'{20001,20002}'"), true);
  deepEqual(["quiet", "loud", "gone", "other"].map((name) => found.mayChange([name])), [
    false,
    true,
    true,
    true,
  ]);
  equal(found.reach, null, "what is called by name alone is nobody else's");
});
