import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../../kernel/mod.ts";
import type { Answer } from "../answer/mod.ts";
import { FakeAsker } from "../command/fake_context_test.ts";
import { type Command, Commands, lexStatements } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { CommandRunner, type RunningClient } from "./command_runner.ts";

class FakeClient extends FakeAsker implements RunningClient {
  readonly database = "pgbouncer";
  readonly peer = { host: "desk", port: 1 };
  readonly connectedMs = 0;
}

function runner(command: Omit<Command, "words">, asker: { user: string; admin: boolean }) {
  const fake = new FakeParts();
  const commands = new Commands([{ words: ["DO"], ...command }]);
  const client = new FakeClient(asker);
  const it = new CommandRunner({ parts: fake.parts, commands }, client);
  const run = (text: string, ...params: string[]): Promise<Answer> =>
    it.run(commands.find(lexStatements(text)[0]!), params, new AbortController().signal);
  return { it, run, client, commands, ...fake, fake };
}

const ADMIN = { user: "admin", admin: true };
const WATCHER = { user: "watcher", admin: false };

Deno.test("CommandRunner gives a command its context, and knows what runs since when", async () => {
  const running = Promise.withResolvers<Answer>();
  const { it, run, client, fake, commands } = runner({
    access: "stats",
    run: (args, context) => {
      equal(args.text(0), "v");
      equal(context.asker, client);
      equal(context.commands, commands);
      equal(context.version, "1.2.3");
      return running.promise;
    },
  }, WATCHER);
  deepEqual([it.running, it.requestMs], [null, 0]);
  fake.clock.advance(7);
  const answer = run("DO $1", "v");
  deepEqual([it.running, it.requestMs], ["DO", 7]);
  running.resolve({ tag: "DONE" });
  deepEqual(await answer, { tag: "DONE" });
  equal(it.running, null);
  deepEqual(fake.calls, ['debug console {"client":1,"user":"watcher","peer":"desk","command":"DO"}']);
});

Deno.test("CommandRunner refuses a command to whoever may only look, and logs that", async () => {
  const { it, run, fake } = runner({ access: "admin", run: () => ({}) }, WATCHER);
  await rejects(run("DO"), { code: "insufficient_privilege", message: "admin access needed" });
  equal(it.running, null);
  deepEqual(fake.calls, [
    'info console command failed {"client":1,"user":"watcher","peer":"desk","command":"DO","error":"admin access needed"}',
  ]);
});

Deno.test("CommandRunner refuses any command once the configuration has taken the right to enter", async () => {
  const { run } = runner({ access: "stats", run: () => ({}) }, { user: "somebody", admin: false });
  await rejects(run("DO"), { message: 'permission denied for database "pgbouncer"' });
});

Deno.test("CommandRunner logs the text and the values of what changed something", async () => {
  const { run, fake } = runner({ access: "admin", run: () => ({}) }, ADMIN);
  await run("DO it $1 $2", "a", "b");
  deepEqual(fake.calls, [
    'info console {"client":1,"user":"admin","peer":"desk","command":"DO it $1 $2","values":"a, b"}',
  ]);
});

Deno.test("CommandRunner takes a SET or RESET of a setting for a change, whoever may run the command", async () => {
  const { run, fake } = runner({
    access: "stats",
    run: (args, { set, reset }) => {
      if (args.text(0) === "set") set(["log", "level"], "debug");
      else reset(["log", "level"]);
      return {};
    },
  }, ADMIN);
  await run("DO set");
  await run("DO reset");
  deepEqual(fake.calls.map((call) => call.split(" {")[0]), [
    'set log.level "debug"',
    "info console",
    "reset log.level",
    "info console",
  ]);
});

Deno.test("CommandRunner logs an error of a change, and of no SHOW", async () => {
  const broken = new PgplexError("undefined_object", "no such thing");
  const run = () => {
    throw broken;
  };
  const change = runner({ access: "admin", run }, ADMIN);
  await rejects(change.run("DO"), broken);
  equal(change.fake.calls.length, 1);
  const show = runner({ access: "stats", run }, ADMIN);
  await rejects(show.run("DO"), broken);
  deepEqual([show.fake.calls, show.it.running], [[], null]);
});

Deno.test("CommandRunner says at one of several instances that a change holds there alone", async () => {
  const notices = async (command: Partial<Command>, others: boolean) => {
    const { run, fake } = runner({ access: "admin", run: () => ({}), ...command }, ADMIN);
    if (others) fake.instances.push({ ...fake.instances[0]!, id: 2 });
    return (await run("DO")).notices?.map(({ message }) => message) ?? [];
  };
  deepEqual(await notices({}, false), []);
  deepEqual(await notices({}, true), ["this holds for instance 1 only"]);
  deepEqual(await notices({ isShared: true }, true), []);
  deepEqual(await notices({ access: "stats" }, true), []);
});
