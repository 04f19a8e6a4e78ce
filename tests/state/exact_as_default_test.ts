import assert from "node:assert/strict";
import { waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** What a session SET to the default of the moment is its own, and stays where the default becomes another. */
const served = new Served({
  major: 18,
  setup: "CREATE ROLE app LOGIN; CREATE ROLE late LOGIN;",
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 }, replaced: { default_pool_size: 1 } },
});

interface AsDefault {
  readonly name: string;
  /** Its default, and what that becomes, as SHOW shows them. */
  readonly value: string;
  readonly later: string;
  readonly set: string;
}

const CASES: readonly AsDefault[] = [
  { name: "work_mem", value: "4MB", later: "9MB", set: "SET work_mem = '4MB'" },
  { name: "maintenance_work_mem", value: "64MB", later: "9MB", set: "SET maintenance_work_mem = '64MB'" },
  { name: "jit", value: "on", later: "off", set: "SET jit = on" },
  {
    name: "search_path",
    value: '"$user", public',
    later: "tenant",
    set: 'SET search_path = "$user", public',
  },
  { name: "statement_timeout", value: "0", later: "9s", set: "SET statement_timeout TO 0" },
  {
    name: "statement_timeout",
    value: "0",
    later: "9s",
    set: "SELECT set_config('statement_timeout', '0', false)",
  },
  { name: "statement_timeout", value: "0", later: "9s", set: "SET statement_timeout TO 0; SELECT 1" },
  { name: "lock_timeout", value: "0", later: "3s", set: "SET lock_timeout = '0' -- x" },
  {
    name: "lock_timeout",
    value: "0",
    later: "3s",
    set: "DO $$ BEGIN PERFORM set_config('lock_' || 'timeout', '0', false); END $$",
  },
  { name: "TimeZone", value: "UTC", later: "Asia/Tokyo", set: "SET TIME ZONE 'UTC'" },
  { name: "DateStyle", value: "ISO, MDY", later: "German, DMY", set: "SET DateStyle = 'ISO, MDY'" },
  { name: "IntervalStyle", value: "postgres", later: "iso_8601", set: "SET IntervalStyle = postgres" },
  {
    name: "default_transaction_read_only",
    value: "off",
    later: "on",
    set: "SET default_transaction_read_only = off",
  },
];

/** Runs `what` while the server's configuration says `later`. */
async function whileChanged({ name, value, later }: AsDefault, what: () => Promise<void>): Promise<void> {
  const inFile = (shown: string) => ({ [name]: shown });
  await using witness = await served.direct();
  try {
    await served.node.reload(inFile(later));
    await what();
  } finally {
    await served.node.reload(inFile(value));
    await waitFor(async () => await one(witness, `SHOW ${name}`) === value, { what: `${name} as it was` });
  }
}

/** The session hears of the server's configuration. */
const follows = (client: WireClient, { name, later }: AsDefault, who: string) =>
  waitFor(async () => await one(client, `SHOW ${name}`) === later, { what: `${name} of ${who}` });

for (const example of CASES) {
  const { name, value, set } = example;
  for (const pool of ["one", "two"]) {
    Deno.test(`What was SET to its default is its session's alone, when that changes: ${set}, in a pool of ${pool}`, async () => {
      await using setter = await served.client(pool);
      await using other = await served.client(pool);
      await one(setter, "SELECT 1");
      await one(other, "SELECT 1");
      await one(setter, set);
      await one(setter, "SELECT 1");
      await one(other, "SELECT 1");
      await whileChanged(example, async () => {
        await follows(other, example, "somebody else");
        assert.equal(await one(setter, `SHOW ${name}`), value);
        await follows(other, example, "somebody else, behind the setter");
        await using another = await served.client(pool);
        await follows(another, example, "somebody new");
        assert.equal(await one(setter, `SHOW ${name}`), value);
        await one(setter, `RESET ${name}`);
        await follows(setter, example, "who has it RESET");
      });
    });
  }
}

for (const [name, value, later] of [["work_mem", "4MB", "9MB"], ["TimeZone", "UTC", "Asia/Tokyo"]] as const) {
  const example = { name, value, later, set: `SET ${name} = '${value}'` };
  Deno.test(`Who leaves does not leave behind what it SET to its default: ${name}`, async () => {
    const setter = await served.client("one");
    await one(setter, example.set);
    await one(setter, "SELECT 1");
    await setter.close();
    await whileChanged(example, async () => {
      await using later = await served.client("one");
      await follows(later, example, "who comes later");
    });
  });

  for (const reset of ["RESET ALL", "DISCARD ALL"]) {
    Deno.test(`${reset} takes back what was SET to its default: ${name}`, async () => {
      await using client = await served.client("one");
      await using other = await served.client("one");
      await one(client, example.set);
      await one(client, "SELECT 1");
      await one(other, "SELECT 1");
      await one(client, reset);
      await whileChanged(example, async () => {
        await follows(client, example, `who said ${reset}`);
      });
    });
  }
}

Deno.test("What was SET to its default stays on connections for which ALTER ROLE has made it another", async () => {
  await using setter = await served.client("replaced", {}, "late");
  await using other = await served.client("replaced", {}, "late");
  for (const set of ["work_mem = '4MB'", "jit = on", "TimeZone = 'UTC'"]) await one(setter, `SET ${set}`);
  const before = await one(other, "SELECT pg_backend_pid()");
  for (const set of ["work_mem = '9MB'", "jit = off", "TimeZone = 'Asia/Tokyo'"]) {
    await served.node.sql(`ALTER ROLE late SET ${set}`);
  }
  await served.node.sql(`SELECT pg_terminate_backend(${before})`);
  const shown =
    "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('jit'), current_setting('TimeZone'))";
  await waitFor(async () => await one(setter, "SELECT pg_backend_pid()") !== before, {
    what: "another backend",
  });
  assert.equal(await one(setter, shown), "4MB on UTC");
  await using later = await served.client("replaced", {}, "late");
  assert.equal(await one(later, shown), "9MB off Asia/Tokyo");
  assert.equal(await one(setter, shown), "4MB on UTC");
});
