import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { findDatabase, listDatabases } from "./database_list.ts";
import { FakeParts } from "./fake_parts_test.ts";

const names = (fake: FakeParts) => listDatabases(fake.parts).map(({ name, pools }) => [name, pools.length]);

Deno.test("listDatabases has every alias, what pools lead to, and what is held back by name", () => {
  const fake = new FakeParts();
  deepEqual(names(fake), [["reports", 0]]);
  fake.addPool({ database: "app" });
  fake.addPool({ database: "app", user: "bob" });
  fake.addPool({ cluster: "other", database: "sales", alias: "reports" });
  fake.control.setPaused("held", true);
  fake.control.setDisabled("gone@nowhere", true); // no database's name any more
  deepEqual(names(fake), [["app", 2], ["held", 0], ["reports", 1]]);
  const [app, , reports] = listDatabases(fake.parts);
  deepEqual([app!.cluster, app!.database, app!.alias], ["main", "app", null]);
  deepEqual([reports!.cluster, reports!.database, reports!.alias], ["other", "sales", "reports"]);
});

Deno.test("listDatabases leaves out pools that a reload removed", () => {
  const fake = new FakeParts();
  fake.leaving.add(fake.addPool());
  deepEqual(names(fake), [["reports", 0]]);
  throws(() => findDatabase(fake.parts, "app", "kill"), { code: "unknown_database" });
  equal(findDatabase(fake.parts, "app@main", "wait in", { leaving: true }), "app");
  equal(findDatabase(fake.parts, "app", "wait in", { leaving: true }), "app");
});

Deno.test("findDatabase takes the names that clients give, and spelled out those that nobody uses", () => {
  const fake = new FakeParts();
  fake.addPool();
  const find = (asked: string) => findDatabase(fake.parts, asked, "pause");
  equal(find("reports"), "reports");
  equal(find("app"), "app"); // by the default cluster, as it is in use
  equal(find("app@main"), "app");
  equal(find("other@other"), "other@other");
});

Deno.test("findDatabase says what there is, and refuses the console's own database", () => {
  const fake = new FakeParts();
  const find = (asked: string) => () => findDatabase(fake.parts, asked, "pause");
  throws(find("report"), {
    code: "unknown_database",
    message: "no such database: report",
    extra: {
      detail: "Databases: reports.",
      hint:
        'Did you mean "reports"? Name a database that is not in use as DATABASE@CLUSTER. Clusters: main, other.',
    },
  });
  throws(find("x@nowhere"), { code: "unknown_database" });
  const { database } = fake.live.config.console;
  throws(find(database), {
    code: "unsupported_feature",
    message: `cannot pause the console's own database "${database}"`,
  });
  fake.addPool({ database: 'a "b' });
  throws(
    find("x"),
    (thrown: Error & { extra: { detail: string } }) => thrown.extra.detail === 'Databases: "a ""b", reports.',
  );
});
