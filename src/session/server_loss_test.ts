import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { Control, TxStatus } from "../protocol/mod.ts";
import { endsSession, lossOf, type Standing } from "./server_loss.ts";

const { Opens, Closes, Commits, RollsBack, Begins } = Control;
const CUT = new PgplexError("server_lost", "the server closed the connection unexpectedly");
const AT_REST: Standing = {
  txStatus: TxStatus.Idle,
  control: 0,
  lastControl: 0,
  running: 1,
  awaits: true,
  torn: false,
  losses: [],
};

function heard(standing: Partial<Standing>): string {
  const { error, inTransaction } = lossOf({ ...AT_REST, ...standing }, CUT);
  return `${error.sqlstate} ${inTransaction ? "E" : "I"}`;
}

Deno.test("lossOf says 40003 of a statement outside a transaction, and 08007 where it may have been committed", () => {
  equal(heard({}), "40003 I");
  equal(heard({ control: Closes | Commits }), "08007 I");
  equal(heard({ control: Commits }), "08007 I"); // COMMIT PREPARED
});

Deno.test("lossOf says 40001 inside a transaction, which the client then has to end", () => {
  equal(heard({ txStatus: TxStatus.InTransaction, control: Opens }), "40001 E");
  equal(heard({ txStatus: TxStatus.InTransaction }), "40001 E");
  equal(heard({ txStatus: TxStatus.InTransaction, awaits: false }), "40001 E");
  equal(heard({ txStatus: TxStatus.Failed, control: Opens }), "40001 E");
});

Deno.test("lossOf takes a transaction for begun whose BEGIN is on its way: what follows must not run by itself", () => {
  equal(heard({ control: Opens }), "40001 E");
});

Deno.test("lossOf: a BEGIN that is all that is in flight has begun nothing", () => {
  const begin = { control: Opens, lastControl: Opens | Begins };
  equal(heard(begin), "40001 I");
  equal(heard({ ...begin, running: 2 }), "40001 E");
  equal(heard({ ...begin, txStatus: TxStatus.InTransaction }), "40001 E");
  equal(heard({ ...begin, txStatus: TxStatus.InTransaction, awaits: false }), "40001 E");
});

Deno.test("lossOf tells the end of a transaction on its way: COMMIT is unknown, ROLLBACK and COMMIT of a failed one are not", () => {
  equal(heard({ txStatus: TxStatus.InTransaction, control: Closes | Commits }), "08007 I");
  equal(heard({ txStatus: TxStatus.InTransaction, control: Closes }), "40001 I");
  equal(heard({ txStatus: TxStatus.Failed, control: Closes | Commits }), "40001 I");
  equal(heard({ txStatus: TxStatus.InTransaction, control: Opens | Commits }), "08007 E"); // AND CHAIN
});

Deno.test("lossOf says 40001 of a COMMIT that was found not to have been done", () => {
  const commits = { ...AT_REST, txStatus: TxStatus.InTransaction, control: Closes | Commits };
  const { error, inTransaction } = lossOf(commits, CUT, true);
  deepEqual([error.sqlstate, error.code, inTransaction], ["40001", "transaction_lost", false]);
});

Deno.test("lossOf knows a ROLLBACK that is all that is in flight, and none behind what may have been committed", () => {
  const rollsBack = (standing: Partial<Standing>) =>
    lossOf({ ...AT_REST, ...standing }, CUT).rollsBack === true;
  const open = { txStatus: TxStatus.InTransaction, control: Closes, lastControl: RollsBack };
  equal(rollsBack(open), true);
  equal(rollsBack({ ...open, awaits: false }), false);
  equal(rollsBack({ ...open, torn: true }), false);
  equal(rollsBack({ ...open, lastControl: 0 }), false);
  equal(rollsBack({ ...open, control: Closes | Commits }), false);
});

Deno.test("lossOf knows that a server has not run what it got a part of", () => {
  equal(heard({ torn: true }), "40001 I");
  equal(heard({ torn: true, txStatus: TxStatus.InTransaction, control: Closes | Commits }), "40001 I");
});

Deno.test("lossOf passes on what the server said, and what else is lost", () => {
  const said = new PgplexError("server_lost", "terminating connection due to administrator command", {
    sqlstate: "57P01",
  });
  const { error } = lossOf({ ...AT_REST, losses: ["temporary object"] }, said);
  equal(
    error.extra.detail,
    "The server said: terminating connection due to administrator command (57P01). Lost with it: temporary object.",
  );
});

Deno.test("lossOf says of a node that was given up why", () => {
  const cause = new PgplexError("node_lost", "n1 is down: silent for 3000 ms");
  equal(lossOf(AT_REST, cause).error.extra.detail, "n1 is down: silent for 3000 ms.");
});

Deno.test("endsSession leaves a session its own limits of time", () => {
  deepEqual(["25P03", "25P04", "57P05", "08P01"].map(endsSession), [true, true, true, true]);
  deepEqual(["57P01", "57P02", "57P03", "40001", "XX000"].map(endsSession), Array(5).fill(false));
});

Deno.test("lossOf tells the failure of what went in front of a message as it is: nothing was run", () => {
  const cause = new PgplexError("restore_failed", "canceling statement due to user request", {
    sqlstate: "57014",
  });
  const begin = { control: Opens, lastControl: Opens | Begins };
  for (const standing of [{}, { control: Closes | Commits }, begin]) {
    deepEqual(lossOf({ ...AT_REST, ...standing }, cause), { error: cause, inTransaction: false });
  }
  equal(lossOf({ ...AT_REST, ...begin, running: 2 }, cause).inTransaction, true);
});
