import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import type { PgplexError } from "../../kernel/mod.ts";
import { columns } from "../answer/mod.ts";
import { FakeAsker, fakeConsole } from "../command/fake_context_test.ts";
import { showCommand } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { PGPLEX_COMMANDS } from "../pgplex/mod.ts";
import { TREE_COMMANDS } from "./commands.ts";

/** Tables that the tree asks for. */
const SHOWS = ["POOLS", "DATABASES"].map((name) =>
  showCommand(name, () => ({ columns: columns("database text, user text"), rows: [] }))
);

function console(asker = new FakeAsker()) {
  const fake = new FakeParts();
  const { run } = fakeConsole([...TREE_COMMANDS, ...PGPLEX_COMMANDS, ...SHOWS], fake.parts, asker);
  /** Names and values that a SHOW answers. */
  const shown = async (text: string) => {
    const answer = await run(text);
    return "rows" in answer ? answer.rows.map(([name, value]) => [name, value]) : null;
  };
  return { fake, run, shown, asker };
}

Deno.test("SHOW takes a path, a bare key as PgBouncer has it, and a setting of drivers", async () => {
  const { shown } = console();
  deepEqual(await shown("SHOW pool.pool_mode"), [["pool.pool_mode", "transaction"]]);
  deepEqual(await shown("SHOW default_pool_size"), [["pool.default_pool_size", "20"]]);
  deepEqual(await shown("SHOW log_level"), [["log.level", "info"]]);
  deepEqual(await shown("SHOW datestyle"), [["ISO, MDY", undefined]]);
  equal((await shown("SHOW ALL"))!.some(([name]) => name === "log.level"), true);
});

Deno.test("SHOW says what it may have meant where nothing is", async () => {
  const { run } = console();
  await rejects(run("SHOW"), { code: "syntax_error" });
  await rejects(run("SHOW 'x'"), { code: "syntax_error" });
  await rejects(run("SHOW poolz"), (thrown: PgplexError) => {
    deepEqual([thrown.code, thrown.message], ["undefined_object", '"poolz" does not exist']);
    equal(thrown.extra.hint, 'Did you mean "pools"?');
    equal(thrown.extra.detail!.startsWith("The console has: pools, pool, "), true);
    return true;
  });
  await rejects(run("SHOW pgplex.tag"), { message: "the console has no SET, RESET and SHOW of pgplex.NAME" });
});

Deno.test("SET lays a value over the file's, in the form of the configuration", async () => {
  const { run, fake } = console();
  await run("SET default_pool_size = 7");
  await run("SET pool.query_wait_timeout TO '3s'");
  await run("SET SESSION log.level = DEBUG");
  await run("SET console.stats_users = a, b");
  await run("SET stats_users = 'a, b,c'");
  await run("SET clusters.main.pool.pool_mode = $1", "session");
  deepEqual(fake.calls, [
    "set pool.default_pool_size 7",
    "set pool.query_wait_timeout 3000",
    'set log.level "debug"',
    'set console.stats_users ["a","b"]',
    'set console.stats_users ["a","b","c"]',
    'set clusters.main.pool.pool_mode "session"',
  ]);
  await run("SET default_pool_size = DEFAULT");
  equal(fake.calls.at(-1), "reset pool.default_pool_size");
});

Deno.test("SET refuses what cannot be set, and says where it is changed", async () => {
  const { run, fake } = console();
  const refused = (text: string, code: string, message: string) => rejects(run(text), { code, message });
  await refused("SET pool = 1", "invalid_parameter_value", '"pool" is not a single setting');
  await refused(
    "SET clusters.main.servers = 1",
    "cant_change_now",
    '"clusters.main.servers" is observed and cannot be set',
  );
  await refused(
    "SET auth.users.alice.password = 'x'",
    "cant_change_now",
    '"auth.users.alice.password" is changed in the file only',
  );
  await refused(
    "SET listen.port = 1",
    "cant_change_now",
    'setting "listen.port" cannot be changed without restarting pgplex',
  );
  await refused(
    "SET pool.pool_mode = nonsense",
    "invalid_parameter_value",
    'invalid value for setting "pool.pool_mode": "nonsense"',
  );
  await refused("SET pool.pool_mode", "syntax_error", "syntax error at end of input");
  await refused("SET pool.pool_mode , session", "syntax_error", 'syntax error at or near ","');
  await refused("SET pool.pool_mode session", "syntax_error", 'syntax error at or near "session"');
  deepEqual(fake.calls, []);
});

Deno.test("SET of what the file could have says how to add it", async () => {
  const { run } = console();
  const hint = async (text: string) => {
    const thrown = await run(text).then(() => null, (thrown) => thrown);
    return String(thrown?.extra.hint).match(/To add (.*), write/)?.[1] ?? null;
  };
  equal(await hint("SET clusters.new.pool.pool_mode = session"), 'cluster "new"');
  equal(await hint("SET databases.new.cluster = main"), 'database "new"');
  equal(await hint("SET clusters.main.nodes.new.host = h"), 'node "new"');
  equal(await hint("SET nonsense.x = 1"), null);
});

Deno.test("SET changes whether and how much a node serves those who read, and nothing that it is known by", async () => {
  const { run, fake } = console();
  await run("SET clusters.main.nodes.main-2.reads = off");
  await run("SET clusters.main.nodes.main-2.weight = 7");
  const [first, second] = fake.live.config.clusters.get("main")!.nodes;
  deepEqual([first!.reads, second!.reads, second!.weight], [true, false, 7]);
  await rejects(run("SET clusters.main.nodes.main-2.host = h"), { code: "cant_change_now" });
  await run("RESET clusters.main.nodes.main-2.reads");
  equal(fake.live.config.clusters.get("main")!.nodes[1]!.reads, true);
});

Deno.test("SET leaves nobody without admin rights who asks for it", async () => {
  const { run, fake } = console();
  await rejects(run("SET console.admin_users = other"), {
    message: 'this would leave "admin" without admin rights',
  });
  await run("SET console.admin_users = other, admin");
  equal(fake.calls.length, 1);
});

Deno.test("RESET takes a SET back, below a place too, and says which", async () => {
  const { run } = console();
  await run("SET pool.default_pool_size = 7");
  await run("SET log.level = debug");
  const notices = async (text: string) => (await run(text)).notices?.map(({ message }) => message) ?? [];
  deepEqual(await notices("RESET pool"), ["back to the file's value: pool.default_pool_size"]);
  deepEqual(await notices("RESET pool"), []);
  deepEqual(await notices("RESET ALL"), ["back to the file's value: log.level"]);
  await rejects(run("RESET clusters.main.servers"), {
    code: "invalid_parameter_value",
    message: '"clusters.main.servers" is no setting',
  });
});

Deno.test("Whoever may only look sets and resets what is its connection's own, and no setting", async () => {
  const { run, shown, fake, asker } = console(new FakeAsker({ user: "watcher", admin: false }));
  deepEqual(await run("SET statement_timeout = 5"), {});
  deepEqual(await shown("SHOW statement_timeout"), [["5", undefined]]);
  deepEqual(await run("SET statement_timeout TO DEFAULT"), { tag: "SET" });
  deepEqual(await run("RESET application_name"), {});
  deepEqual(await run("RESET ALL"), {});
  deepEqual(asker.told, ["application_name=psql", "application_name=psql"]);
  await rejects(run("SET pool.pool_mode = session"), { code: "insufficient_privilege" });
  await rejects(run("RESET pool.pool_mode"), { code: "insufficient_privilege" });
  deepEqual(fake.calls, []);
});

Deno.test("SET of a key that only PgBouncer has is what it means here, or says why it means nothing", async () => {
  const { run, fake } = console();
  await run("SET verbose = 1");
  deepEqual(fake.calls, ['set log.level "debug"']);
  const answer = await run("SET server_check_delay = 10");
  deepEqual(answer.notices, [{
    severity: "NOTICE",
    message: "server_check_delay is no setting here, nothing changed: not needed, as server_check_query",
  }]);
  equal(fake.calls.length, 1);
  await rejects(run("SET auth_user = 'x'"), { code: "undefined_object" });
});
