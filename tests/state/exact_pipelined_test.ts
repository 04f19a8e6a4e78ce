import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, close, describe, execute, parse, query, sync } = frontend;

/** What is skipped behind an error up to the Sync, and what comes in the same write behind that. */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** The server skips what stands behind it up to the Sync. */
const FAILS = execute({ portal: "no such" });

const run = (statement: string) => [bind({ statement }), execute()];
const pipeline = (...parts: Uint8Array[][]): ComparedStep => {
  const messages = parts.flat();
  return { pipeline: messages, readies: messages.filter(([type]) => type === 0x51 || type === 0x53).length };
};

/** What names the statement behind the Sync. */
const NEXT: Readonly<Record<string, Uint8Array[]>> = {
  "EXECUTE": [query("EXECUTE s")],
  "EXECUTE by a Parse": [parse("EXECUTE s"), bind(), execute(), sync()],
  "a Bind": [...run("s"), sync()],
  "a Describe": [describe("S", "s"), sync()],
  "DEALLOCATE": [query("DEALLOCATE s")],
  "a Close and a Parse": [close("S", "s"), parse("SELECT 'other'", { name: "s" }), sync()],
};

/** What names it where the server skips it. */
const SKIPPED: Readonly<Record<string, Uint8Array[]>> = {
  "a Bind": [...run("s")],
  "EXECUTE": [parse("EXECUTE s"), bind(), execute()],
  "a Describe": [describe("S", "s")],
};

const MADE: Readonly<Record<string, ComparedStep>> = {
  "SQL prepared": "PREPARE s AS SELECT 's'",
  "came by Parse": [parse("SELECT 's'", { name: "s" })],
};

const SCRIPTS: readonly Compared[] = Object.entries(MADE).flatMap(([made, make]) =>
  Object.entries(SKIPPED).flatMap(([skipped, first]) =>
    Object.entries(NEXT).map(([next, second]): Compared => ({
      name: `A statement that ${made} is there for ${next} in one write with ${skipped} that was skipped`,
      steps: [make, pipeline([FAILS, ...first, sync()], second), pipeline(first, [sync()], second)],
      errors: errorsOf(next),
    }))
  )
);

function errorsOf(next: string): string[] {
  return next === "DEALLOCATE" ? ["34000", "26000", "26000"] : ["34000"];
}

comparedTests(served, SCRIPTS);
