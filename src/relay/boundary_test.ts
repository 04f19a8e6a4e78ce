import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { StatementStore } from "../backend/mod.ts";
import { Rig, RigServer } from "../../tests/harness/rig.ts";

const { concat, cstring, message, text } = frontend;
const ready = (status = "I") => message("Z", text(status));
const complete = message("C", cstring("SELECT 1"));
const notice = message("N", cstring("SNOTICE"), cstring("Ma text of some length"), text("\0"));
const failure = message("E", cstring("SERROR"), cstring("C22P04"), cstring("Mextra data"), text("\0"));
const closeComplete = message("3");

function transactionRig(): { rig: Rig; server: RigServer } {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  return {
    server,
    rig: new Rig({ statements, renames: true, acquire: () => server.holder === null ? server : null }),
  };
}

Deno.test("a lease does not end in the middle of a message that comes behind ReadyForQuery", async () => {
  for (let cut = 0; cut <= notice.length; cut++) {
    const { rig, server } = transactionRig();
    await rig.say(frontend.query("x"));
    await server.say(concat([complete, ready(), notice.subarray(0, cut)]));
    // Less than a header stays in the connection's buffer, for whoever has it next; what has begun must be passed whole.
    if (cut >= 5 && cut < notice.length) {
      equal(rig.server, server, `cut at ${cut}`);
      await server.say(notice.subarray(cut));
    }
    if (cut >= 5) deepEqual(rig.out.taken(), concat([complete, ready(), notice]));
    equal(rig.server, null, `cut at ${cut}`);
  }
});

Deno.test("a lease ends once the client's last bytes of a COPY that failed are gone", async () => {
  for (const end of [frontend.copyDone(), frontend.copyFail("no"), frontend.copyData(""), frontend.flush()]) {
    const { rig, server } = transactionRig();
    await rig.say(frontend.query("COPY t FROM STDIN"));
    await server.say(message("G", Uint8Array.of(0, 0, 0)));
    const data = frontend.copyData("a line that the server does not like\n");
    await rig.say(data.subarray(0, 20));
    await server.say(concat([failure, ready()]));
    equal(rig.server, server, "the message that has begun still goes there");
    await rig.say(concat([data.subarray(20), end]));
    equal(rig.server, null, `ends with ${end}`);
  }
});

Deno.test("what pgplex answers itself waits for the end of the message that is passing", async () => {
  const { rig, server } = transactionRig();
  await rig.say(frontend.query("BEGIN"));
  await server.say(concat([complete, ready("T")]));
  rig.out.taken();
  await server.say(notice.subarray(0, 12));
  await rig.say(frontend.close("S", "x"));
  await server.say(notice.subarray(12));
  deepEqual(rig.out.taken(), concat([notice, closeComplete]));
});
