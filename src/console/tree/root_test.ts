import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { fakeConsole } from "../command/fake_context_test.ts";
import { type Command, showCommand } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { walk } from "./path.ts";
import { treeRoot } from "./root.ts";
import { showPlace } from "./show.ts";

const SHOWS: readonly Command[] = [
  showCommand(
    "DATABASES",
    () => ({ columns: columns("name text, paused int4, port int4"), rows: [["reports", 1, 2]] }),
  ),
  showCommand("POOLS", () => ({
    columns: columns("database text, user text, sv_idle int4"),
    rows: [["app@main", "alice", 4]],
  })),
  showCommand(
    "CLUSTERS",
    () => ({ columns: columns("name text, phase text"), rows: [["main", "serving"]] }),
  ),
  showCommand("NODES", () => ({ columns: columns("cluster text, node text, role text"), rows: [] })),
  { words: ["SHOW", "STATE"], access: "stats", run: () => ({}) },
];

function root() {
  const fake = new FakeParts();
  const { context } = fakeConsole(SHOWS, fake.parts);
  const rows = async (...path: string[]) =>
    showPlace(await walk(treeRoot(context), path.map((text) => ({ text, quoted: true })))).rows;
  return { fake, context, rows };
}

Deno.test("treeRoot has objects, tables and the sections of the file", () => {
  const names = [...treeRoot(root().context).names()];
  for (const name of ["clusters", "sessions", "settings", "pools", "state", "listen", "pool", "routing"]) {
    equal(names.includes(name), true, name);
  }
  equal(new Set(names).size, names.length);
});

Deno.test("treeRoot asks for tables by their SHOW, and leads to their rows and cells", async () => {
  const { rows } = root();
  deepEqual(await rows("pools"), [["app@main", "alice", 4]]);
  deepEqual((await rows("pools", "app@main", "alice", "sv_idle"))[0]!.slice(1, 3), ["4", "state"]);
  deepEqual(await rows("state"), []); // what answers no rows is an empty table
});

Deno.test("treeRoot has a database as the table knows it, and as the file does", async () => {
  const { rows } = root();
  const [paused] = await rows("databases", "reports", "paused");
  const [cluster] = await rows("databases", "reports", "cluster");
  deepEqual([paused!.slice(0, 3), cluster!.slice(0, 3)], [
    ["databases.reports.paused", "1", "state"],
    ["databases.reports.cluster", "other", "file"],
  ]);
});

Deno.test("treeRoot has the settings by their section, and below `settings`", async () => {
  const { rows, fake } = root();
  fake.live.set(["log", "level"], "debug");
  deepEqual((await rows("log", "level"))[0]!.slice(0, 3), ["log.level", "debug", "SET"]);
  deepEqual((await rows("settings", "log", "level"))[0]!.slice(0, 3), ["settings.log.level", "debug", "SET"]);
  deepEqual((await rows("clusters", "main", "nodes", "main-1", "host"))[0]!.slice(1, 3), ["ten", "file"]);
});
