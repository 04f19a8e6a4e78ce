import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { Mark, Owed } from "../backend/mod.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Control, TxStatus } from "../protocol/mod.ts";
import { CommitGuard } from "./commit_guard.ts";
import { Progress } from "./progress.ts";

const { int16, int32, message, text } = frontend;
const COMMIT = Control.Closes | Control.Commits | Control.CommitsAlone;
const ROW = message("D", int16(3), int32(1), text("7"), int32(3), text("0/1"), int32(8), text("00000001"));

function rig() {
  const { server, stream } = fakeServer();
  const guard = new CommitGuard();
  const progress = new Progress();
  let taken = 0;
  guard.readBy({ takesRow: () => taken++ });
  progress.leaseBegins(server);
  server.noteStatus(TxStatus.InTransaction);
  const before = (control = COMMIT, simple = true, marker: string | null = "m") =>
    guard.before(server, control, { progress, simple, marker });
  const types = async () => {
    await server.out.flush();
    const bytes = stream.taken();
    let found = "";
    for (let at = 0; at < bytes.length; at += 1 + new DataView(bytes.buffer).getInt32(at + 1)) {
      found += String.fromCharCode(bytes[at]!);
    }
    return found;
  };
  return { server, guard, progress, before, types, taken: () => taken };
}

Deno.test("CommitGuard asks in front of a COMMIT, and has its answer before that ends", async () => {
  for (const [simple, sent] of [[true, "PBES"], [false, "PBEH"]] as const) {
    const { server, guard, before, types, taken } = rig();
    before(COMMIT, simple);
    deepEqual([await types(), taken(), guard.noteOf(server)], [sent, 1, null]);
    server.owed.reply(Owed.Parse);
    server.owed.reply(Owed.Bind);
    equal(guard.row(server, ROW, 0), true);
    deepEqual(guard.noteOf(server), { xid: "7", lsn: "0/1", timeline: 1, marker: "m" });
    equal(guard.noteOf(fakeServer().server), null);
    before(Control.Commits); // another statement that may commit: the note is not of it
    equal(guard.noteOf(server), null);
  }
});

Deno.test("CommitGuard asks nothing where it is off, or nobody knows where the transaction stands", async () => {
  const cases: Record<string, (of: ReturnType<typeof rig>) => void> = {
    "it is off": ({ before }) => before(COMMIT, true, null),
    "it is not COMMIT alone": ({ before }) => before(Control.Closes | Control.Commits),
    "no transaction": ({ server, before }) => {
      server.noteStatus(TxStatus.Idle);
      before();
    },
    "a failed one": ({ server, before }) => {
      server.noteStatus(TxStatus.Failed);
      before();
    },
    "something runs": ({ server, before }) => {
      server.owed.sent(Owed.Query);
      before();
    },
    "in a batch without Sync": ({ progress, before }) => {
      progress.batchGoesOn();
      before();
    },
  };
  for (const [name, play] of Object.entries(cases)) {
    const of = rig();
    play(of);
    deepEqual([await of.types(), of.taken(), of.guard.noteOf(of.server)], ["", 0, null], name);
  }
});

Deno.test("CommitGuard leaves the client's rows alone", () => {
  const { server, guard } = rig();
  server.owed.sent(Owed.Query);
  equal(guard.row(server, ROW, 0), false);
  server.owed.clear();
  server.owed.sent(Owed.Execute | Mark.Swallow);
  equal(guard.row(server, ROW, 0), true);
});
