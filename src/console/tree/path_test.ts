import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../../kernel/mod.ts";
import { shown } from "./config_fake_test.ts";
import { branch, observed } from "./node.ts";
import { walk } from "./path.ts";

Deno.test("walk says what there is where a path leads nowhere, nearest names first", async () => {
  const refused = async (path: string, message: string, detail: string, hint?: string) => {
    await rejects(shown(path), (thrown) => {
      if (!(thrown instanceof PgplexError)) return false;
      deepEqual([thrown.sqlstate, thrown.message, thrown.extra.detail], ["42704", message, detail]);
      equal(thrown.extra.hint, hint);
      return true;
    });
  };
  await refused(
    "clusters.mian",
    '"clusters.mian" does not exist',
    "clusters has: main.",
    'Did you mean "main"?',
  );
  await refused(
    "log.levle",
    '"log.levle" does not exist',
    "log has: level, format, connections, pooler_errors, stats_period, disconnections.",
    'Did you mean "level"?',
  );
  await refused("log.level.x", '"log.level.x" does not exist', "log.level has nothing below it.");
  await refused(
    'clusters."MAIN"',
    '"clusters.MAIN" does not exist',
    "clusters has: main.",
    'Did you mean "main"?',
  );
  await refused("listen.tls.mode", '"listen.tls.mode" does not exist', "listen.tls has nothing below it.");
  await refused(
    "clusters.main.nodes[2]",
    '"clusters.main.nodes.2" does not exist',
    "clusters.main.nodes has: main-2, main-1.",
  );
  await refused(
    "auth.users.Odd.Name.password",
    '"auth.users.Odd" does not exist',
    'auth.users has: "odd.name", alice.',
    'Did you mean "odd.name"?',
  );
});

Deno.test("walk takes a name in any case where one alone is meant, and refuses one that may be several", async () => {
  const root = branch(new Map([["Shop", observed(1)], ["shop", observed(2)], ["Other", observed(3)]]));
  const at = async (text: string) => (await walk(root, [{ text, quoted: false }])).path;
  deepEqual([await at("Shop"), await at("shop"), await at("OTHER")], [["Shop"], ["shop"], ["Other"]]);
  await rejects(at("SHOP"), (thrown) => {
    if (!(thrown instanceof PgplexError)) return false;
    deepEqual([thrown.sqlstate, thrown.message, thrown.extra.detail], [
      "42704",
      '"SHOP" is ambiguous',
      "It may be Shop or shop.",
    ]);
    return true;
  });
});
