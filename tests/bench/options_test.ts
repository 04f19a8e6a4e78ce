import assert from "node:assert/strict";
import { allCases, caseName, parseOptions, selectCases, USAGE } from "./options.ts";
import { STATE_NAMES, STATE_SCRIPTS } from "./state_scripts.ts";

Deno.test("selectCases() expands stars and keeps the order that was asked for", () => {
  assert.deepEqual(selectCases("S:prepared:16,S:simple:1").map(caseName), ["S:prepared:16", "S:simple:1"]);
  assert.deepEqual(selectCases("C:*:16").map(caseName), ["C:simple:16"]);
  assert.equal(selectCases("*").length, allCases().length);
  assert.equal(selectCases("B").length, 12);
});

Deno.test("selectCases() takes other numbers of clients", () => {
  assert.deepEqual(selectCases("S:simple:7").map(caseName), ["S:simple:7"]);
});

Deno.test("selectCases() takes a state script's name in place of the protocol", () => {
  const names = (list: string) => selectCases(list).map(caseName);
  assert.deepEqual(names("state:set-role"), ["state:set-role:16"]);
  assert.deepEqual(names("state:set"), ["state:set:16", "state:set:64"]);
  assert.deepEqual(names("state:*:16"), STATE_NAMES.map((name) => `state:${name}:16`));
  assert.deepEqual(names("state:*:64"), ["state:set:64"]);
  assert.deepEqual(names("state:set-role:64"), ["state:set-role:64"]);
  assert.deepEqual(names("state:*").toSorted(), [...names("state:*:16"), "state:set:64"].toSorted());
  assert.deepEqual(names("*").slice(-STATE_NAMES.length - 1), names("state:*"));
  assert(selectCases("state:*").every((load) => load.protocol === "simple"));
});

Deno.test("Each state script sets what it uses, and the usage names it", () => {
  for (const name of STATE_NAMES) {
    const { text } = STATE_SCRIPTS[name];
    assert.equal(text.includes("\\set x "), text.includes(":x"), name);
    assert.match(USAGE, new RegExp(`[ ,]${name}[,\n]`), name);
  }
});

Deno.test("selectCases() refuses what fits no case", () => {
  for (
    const list of ["", "X:simple:16", "S:simple:0", "S:simple:16:1", "C:prepared:16", "state:simple", "S:set"]
  ) {
    assert.throws(() => selectCases(list), /--only must/, list);
  }
});

Deno.test("parseOptions() refuses wrong numbers and unknown targets by name", () => {
  assert.throws(
    () => parseOptions(["--rounds", "0"]),
    /--rounds must be a whole number from 1: received "0"/,
  );
  assert.throws(() => parseOptions(["--targets", "direct,odyssey"]), /received "odyssey"/);
  assert.equal(parseOptions(["--help"]), "help");
});

Deno.test("parseOptions() measures state_check by default, leaves it out, or measures nothing else", () => {
  const parsed = (...args: string[]) => {
    const options = parseOptions(args);
    assert(options !== "help");
    return [options.cases.length, options.stateCheckCases.map(caseName).join(" "), options.idleClients];
  };
  const all = "S:simple:16 S:extended:16 B:simple:16 B:extended:16";
  assert.deepStrictEqual(parsed(), [allCases().length, all, 5000]);
  assert.deepStrictEqual(parsed("--quick", "--state-check", "no"), [4, "", 1000]);
  assert.deepStrictEqual(parsed("--state-check", "only"), [0, all, 0]);
  assert.deepStrictEqual(parsed("--targets", "direct"), [allCases().length, "", 5000]);
  assert.throws(() => parseOptions(["--state-check", "off"]), /--state-check must be of yes, no, only/);
  assert.throws(
    () => parseOptions(["--state-check", "only", "--targets", "direct"]),
    /must have the target pgplex: received "direct"/,
  );
});

Deno.test("parseOptions() lets single options win over --quick", () => {
  const options = parseOptions(["--quick", "--rounds", "4", "--targets", "pgplex,direct"]);
  assert(options !== "help");
  assert.equal(options.rounds, 4);
  assert.equal(options.seconds, 2);
  assert.deepEqual(options.targets, ["direct", "pgplex"]);
});
