import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import type { PoolSettings } from "../../config/mod.ts";
import type { CommandContext } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { ConsoleOptions, UNDIRECTED } from "./directives.ts";

const POOL = new FakeParts().live.config.pool;

function options(over: Partial<PoolSettings> = {}, params: [string, string][] = []) {
  const pool = { ...POOL, ...over };
  const it = new ConsoleOptions(new Map(params), pool);
  const read = (text: string) => it.read(text, pool, () => [["id", "1"]]);
  const tag = () => it.values.shown(TAG, pool).text;
  return { it, pool, read, tag };
}
const TAG = new ConsoleOptions(new Map(), POOL).read("--!pgplex tag=x\nSHOW POOLS", POOL, () => [])
  .statement[0]!.spec;

Deno.test("ConsoleOptions.read sorts what directives say by how long it holds", () => {
  const { read } = options();
  const { statement, transaction, session, warnings, show } = read(
    "--!pgplex tag=a\n--!pgplex transaction tag=b\n--!pgplex session tag=c\nSHOW POOLS",
  );
  deepEqual([statement, transaction, session].map(([change]) => change!.value), ["a", "b", "c"]);
  deepEqual([warnings, show], [[], null]);
});

Deno.test("ConsoleOptions.read looks at no text without a directive, and at none where they are off", () => {
  equal(options().read("SHOW POOLS"), UNDIRECTED);
  equal(options({ directives: "off" }).read("--!pgplex nonsense\nSHOW POOLS"), UNDIRECTED);
});

Deno.test("ConsoleOptions.read warns of what it does not follow, with its place, or throws where it is strict", () => {
  const text = "/* é */ --!pgplex nonsense=1\nSHOW POOLS";
  const { warnings, statement } = options({ directives: "warn" }).read(text);
  deepEqual([warnings.length, statement.length], [1, 0]);
  deepEqual([warnings[0]!.code, warnings[0]!.extra.position], [
    "invalid_directive",
    text.indexOf("nonsense") + 1,
  ]);
  throws(() => options({ directives: "strict" }).read(text), { code: "invalid_directive" });
});

Deno.test("ConsoleOptions applies an option for a statement, a transaction or the session", () => {
  const { it, read, pool, tag } = options({}, [["options", "-c pgplex.tag=start"]]);
  equal(tag(), "start");
  const text = read("--!pgplex session tag=s\n--!pgplex tag=one\nSHOW POOLS");
  it.apply(text);
  equal(tag(), "s");
  it.begins(text, pool);
  equal(tag(), "one");
  it.ends(true);
  equal(tag(), "s");
  it.apply(read("--!pgplex transaction tag=t\nSHOW POOLS"));
  it.ends(true);
  equal(tag(), "t");
  it.ends(false);
  equal(tag(), "s");
});

Deno.test("ConsoleOptions.begins gives the statement's query_timeout, and not the pool's", () => {
  const { it, read, pool } = options({ query_timeout: 9000 });
  equal(it.begins(UNDIRECTED, pool), 0);
  equal(it.begins(read("--!pgplex query_timeout=2s\nPAUSE"), pool), 2000);
  it.ends(false);
  equal(it.begins(UNDIRECTED, pool), 0);
});

Deno.test("ConsoleOptions.read makes a command of show session and show options", async () => {
  const { read } = options();
  const answer = async (what: string) => {
    const { show } = read(`--!pgplex show ${what}`);
    const { command, args } = show!;
    const table = await command.run(args(), {} as CommandContext);
    return "rows" in table ? table.rows : [];
  };
  deepEqual(await answer("session"), [["id", "1"]]);
  equal((await answer("options")).some(([name]) => name === "tag"), true);
});
