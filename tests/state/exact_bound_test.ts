import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, close, execute, parse } = frontend;

/** What ends or makes prepared statements does it when it is executed, and nothing where it is only bound. */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** Each with what it leaves of a statement `a` and of a portal `p` of it, once it is executed. */
const TEXTS = ["DEALLOCATE ALL", "DISCARD ALL", "DEALLOCATE a", "PREPARE b AS SELECT 'by SQL'"] as const;

const run = (statement: string, portal = "") => [bind({ statement, portal }), execute({ portal })];
const named = (name: string, value: string) => parse(`SELECT '${value}'`, { name });

/** What the client sends, how many errors it hears in order, and what they are. */
type Case = readonly [what: string, errors: readonly string[], ...steps: (string | Uint8Array[])[]];

function casesOf(text: (typeof TEXTS)[number]): readonly Case[] {
  const does = text === "PREPARE b AS SELECT 'by SQL'" ? "b" : text === "DEALLOCATE a" ? "a" : "all";
  const taken = does === "b" ? "b" : "a";
  const ran = does === "b" ? [] : ["26000"];
  // Behind what ends it, and behind what makes it.
  const again = does === "b" ? ["42P05"] : [];
  const bound = bind({ statement: "d" });
  return [
    ["bound and not executed", [], [bound, ...run("a", "p")], run("a")],
    ["bound and closed", [], [bound, close("P", ""), ...run("a", "p")], run("a")],
    ["bound, and the portal bound again", [], [bound, ...run("a"), ...run("a")], run("a")],
    ["bound, and its name made", does === "b" ? [] : ["42P05"], [bound, named(taken, "new")], run(taken)],
    ["skipped", ["26000", ...does === "b" ? ["26000"] : []], [
      bound,
      bind({ statement: "no such" }),
      execute(),
    ], run(taken)],
    ["executed with a limit of rows", ran, [bound, execute({ rowsMax: 1 })], run("a")],
    ["executed, and its name made", [...again], [bound, execute(), named(taken, "new")], run(taken)],
    ["executed behind what was made since", does === "all" ? ["26000"] : [], [
      bound,
      named("c", "new"),
      execute(),
    ], run("c")],
  ];
}

comparedTests(
  served,
  TEXTS.flatMap((text) =>
    casesOf(text).map(([what, errors, ...steps]): Compared => ({
      name: `${text} is ${what}`,
      steps: [[named("a", "old")], [parse(text, { name: "d" })], ...steps],
      errors,
    }))
  ),
);

comparedTests(served, [
  {
    name: "DEALLOCATE ALL is executed in another batch of the transaction than it was bound in",
    steps: [
      [named("a", "old"), parse("DEALLOCATE ALL", { name: "d" })],
      "BEGIN",
      [bind({ statement: "d", portal: "p" })],
      run("a"),
      [...run("a"), execute({ portal: "p" }), named("a", "new"), ...run("a")],
      run("a"),
      "ROLLBACK",
      run("a"),
    ],
  },
  {
    name:
      "A portal of DEALLOCATE ALL that ended with its transaction is none of another statement by that name",
    steps: [
      [named("a", "old"), parse("DEALLOCATE ALL", { name: "d" })],
      [bind({ statement: "d", portal: "p" })],
      "BEGIN; DECLARE p CURSOR FOR SELECT 'p'",
      [execute({ portal: "p" }), ...run("a")],
      "COMMIT",
      run("a"),
    ],
  },
]);
