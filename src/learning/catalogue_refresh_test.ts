import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { refreshCatalogue } from "./catalogue_refresh.ts";
import { CatalogueServer } from "./catalogue_server_test.ts";
import { Fingerprints } from "./fingerprints.ts";

function parts() {
  const lines: string[] = [];
  const say = (message: string, fields?: Record<string, unknown>) =>
    lines.push(`${message}: ${fields?.["routine"] ?? fields?.["error"]}`);
  const log = { debug: say, info: say, warning: say, error: say } as unknown as Log;
  return { lines, parts: { clock: new VirtualClock(), log, database: "db" } };
}

Deno.test("refreshCatalogue learns what routines may do, and looks no more while the mark stays the same", async () => {
  const { lines, parts: given } = parts();
  const fingerprints = new Fingerprints();
  await using catalogue = new CatalogueServer([
    [["mark"]],
    [["SELECT currval('s'); SET my.setting = 'a'"]],
    [["20001", "on_write", "writing", "opaque", "f", null]],
    [["mark"]],
  ]);
  await refreshCatalogue(catalogue.server, fingerprints, given);
  deepEqual([fingerprints.readsSequences, fingerprints.catalogue.hidden.cause], [true, "on_write"]);
  deepEqual(lines.map((line) => line.split(": ").at(-1)), ["on_write"]);
  await refreshCatalogue(catalogue.server, fingerprints, given);
  equal(catalogue.asked.length, 3);
  fingerprints.catalogue.changes();
  await refreshCatalogue(catalogue.server, fingerprints, given);
  equal(catalogue.asked.length, 4);
});

Deno.test("refreshCatalogue warns where the catalogue cannot be read: anything may be reached", async () => {
  const { lines, parts: given } = parts();
  const fingerprints = new Fingerprints();
  await using catalogue = new CatalogueServer(["42501"]);
  await refreshCatalogue(catalogue.server, fingerprints, given);
  deepEqual([lines.length, fingerprints.catalogue.hidden.reach], [1, "any"]);
});

Deno.test("refreshCatalogue looks again for what statements call since the last look, though the mark is the same", async () => {
  const { parts: given } = parts();
  const fingerprints = new Fingerprints();
  const { catalogue: watch } = fingerprints;
  const rows = [["20001", "quiet", null, "sql", "f", null]] as const;
  await using catalogue = new CatalogueServer([
    [["mark"]],
    [],
    rows,
    [["mark"]],
    [],
    rows,
    [["20001", "SELECT 1"]],
  ]);
  await refreshCatalogue(catalogue.server, fingerprints, given);
  fingerprints.learn(1, "SELECT quiet()");
  equal(watch.mayChange(["quiet"], 0), true);
  given.clock.advance(1000);
  await refreshCatalogue(catalogue.server, fingerprints, given);
  equal(watch.mayChange(["quiet"], 1000), false);
  equal(catalogue.asked.length, 7);
});

Deno.test("refreshCatalogue tells when the connection is lost", async () => {
  const { parts: given } = parts();
  await using catalogue = new CatalogueServer([null]);
  await rejects(refreshCatalogue(catalogue.server, new Fingerprints(), given), { code: "server_lost" });
});
