import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { FakeAsker, fakeConsole } from "../command/fake_context_test.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { MOVE_COMMANDS } from "./move_commands.ts";

function rig() {
  const fake = new FakeParts();
  const { run } = fakeConsole(MOVE_COMMANDS, fake.parts, new FakeAsker({ admin: true, user: "boss" }));
  return { fake, run };
}

Deno.test("SWITCHOVER, FAILOVER and REJOIN ask the arbiter, and answer with what was done", async () => {
  const { fake, run } = rig();
  const answer = await run("SWITCHOVER main TO n2 WITHIN '5s' FORCE");
  deepEqual("rows" in answer && answer.rows, [["main", "done"]]);
  await run("switchover main");
  await run("FAILOVER main TO n2");
  await run("REJOIN main.n1");
  deepEqual(fake.calls, [
    'switchover main by boss {"kind":"switchover","to":"n2","withinMs":5000,"isForced":true}',
    'switchover main by boss {"kind":"switchover","to":null,"withinMs":null,"isForced":false}',
    'failover main by boss {"kind":"failover","to":"n2","isForced":false}',
    'rejoin main by boss {"kind":"rejoin","node":"n1"}',
  ]);
});

Deno.test("a move that is refused is an error with the reason", async () => {
  const { fake, run } = rig();
  fake.answer = { ok: false, text: "n2 is too far behind" };
  await rejects(run("SWITCHOVER main"), {
    message: 'cannot switchover in cluster "main": n2 is too far behind',
  });
  await rejects(run("SWITCHOVER nowhere"), { message: 'there is no cluster "nowhere"' });
  await rejects(run("SWITCHOVER main WITHIN 'soon'"), { message: '"soon" is no time' });
  await rejects(run("FAILOVER main WITHIN '5s'"), /syntax error/);
  await rejects(run("REJOIN n1"), /CLUSTER\.NODE/);
});
