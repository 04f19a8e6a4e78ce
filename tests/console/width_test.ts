import assert from "node:assert/strict";
import { psql } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const served = new Served({ pools: { app: {} } });

/** A terminal as it is unless somebody made it wider. */
const COLUMNS = 80;

const TABLES =
  "VERSION DATABASES POOLS CLIENTS SERVERS SOCKETS ACTIVE_SOCKETS STATS STATS_TOTALS STATS_AVERAGES TOTALS LISTS USERS " +
  "MEM CONFIG STATE CLUSTERS NODES FAILOVERS INSTANCES PINS LISTENERS sessions clusters databases";

/** Where a value may be a sentence, or the text of a statement. */
const TEXTS = "PROBES ALL settings.pool clusters.main databases.app";

/** The lines that psql prints of `show` on a terminal, with these of its settings. */
async function printed(show: string, ...settings: string[]): Promise<string[]> {
  const { host, port, user } = served.connection("pgplex");
  const options = [`columns=${COLUMNS}`, ...settings].flatMap((setting) => ["-P", setting]);
  const args = ["-h", host, "-p", String(port), "-U", user, ...options, "-c", `SHOW ${show}`, "pgplex"];
  const { code, stdout, stderr } = await psql(args);
  assert.deepEqual([code, stderr], [0, ""], show);
  return stdout.split("\n");
}

Deno.test("every table of the console fits 80 columns with \\x auto, and every setting with \\x and wrapped", async () => {
  await using client = await served.client("app", { application_name: "checkout" });
  await client.query("CREATE TEMPORARY TABLE basket (a int)");
  const tooLong = (line: string) => line.length > COLUMNS;
  for (const show of TABLES.split(" ")) {
    assert.deepEqual((await printed(show, "expanded=auto")).filter(tooLong), [], show);
  }
  for (const show of TEXTS.split(" ")) {
    assert.deepEqual((await printed(show, "expanded=on", "format=wrapped")).filter(tooLong), [], show);
  }
  // Without that setting they do not fit: the test would see it.
  assert.ok((await printed("NODES", "expanded=off")).some(tooLong));
});
