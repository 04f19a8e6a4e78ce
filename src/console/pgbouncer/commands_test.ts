import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fakeConsole } from "../command/fake_context_test.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { PGBOUNCER_COMMANDS } from "./commands.ts";

function console() {
  const fake = new FakeParts();
  return { fake, ...fakeConsole(PGBOUNCER_COMMANDS, fake.parts) };
}

Deno.test("PGBOUNCER_COMMANDS let everybody look, and administrators alone change something", () => {
  for (const { words, access } of PGBOUNCER_COMMANDS) {
    equal(access, words[0] === "SHOW" ? "stats" : "admin", words.join(" "));
  }
});

Deno.test("Each SHOW without arguments answers a table or a notice, and refuses arguments", async () => {
  const { run } = console();
  for (const { words, usage } of PGBOUNCER_COMMANDS) {
    if (words[0] !== "SHOW" || usage !== undefined || words[1] === "FDS") continue;
    const answer = await run(words.join(" "));
    equal("columns" in answer || answer.notices!.length > 0, true, words.join(" "));
    await rejects(run(`${words.join(" ")} x`), { code: "syntax_error" });
  }
  await rejects(run("SHOW FDS"), { code: "unsupported_feature" });
});

Deno.test("SHOW VERSION says which pgplex this is", async () => {
  const answer = await console().run("SHOW VERSION");
  deepEqual("rows" in answer && answer.rows, [["pgplex 1.2.3"]]);
});

Deno.test("RELOAD says what changed, and what waits for the next start", async () => {
  const { fake } = console();
  const notices = async (live: string[], restart: string[]) => {
    const parts = { ...fake.parts, reload: () => Promise.resolve({ live, restart }) };
    const answer = await fakeConsole(PGBOUNCER_COMMANDS, parts).run("RELOAD");
    return answer.notices!.map(({ severity, message }) => `${severity} ${message}`);
  };
  deepEqual(await notices([], []), ["NOTICE nothing changed"]);
  deepEqual(await notices(["log.level", "pool.pool_mode"], ["listen.port"]), [
    "NOTICE changed: log.level, pool.pool_mode",
    "WARNING takes effect at the next start: listen.port",
  ]);
});

Deno.test("SHUTDOWN takes the mode that PgBouncer has words for", async () => {
  const { run, fake } = console();
  await run("SHUTDOWN");
  await run("SHUTDOWN wait_for_servers");
  await run("SHUTDOWN WAIT_FOR_CLIENTS");
  deepEqual(fake.calls, ["shutdown now", "shutdown wait_for_servers", "shutdown wait_for_clients"]);
  await rejects(run("SHUTDOWN now"), { code: "syntax_error" });
  await rejects(run("SHUTDOWN 'WAIT_FOR_CLIENTS'"), { code: "syntax_error" });
});

Deno.test("Operations take a database where PgBouncer's do", async () => {
  const { run, fake } = console();
  fake.addPool();
  deepEqual(await run("PAUSE app"), {});
  deepEqual(await run("RESUME 'app'"), {});
  deepEqual(await run("DISABLE $1", "app"), {});
  deepEqual(fake.control.disabledNames, ["app"]);
  deepEqual(await run("ENABLE app"), {});
  deepEqual(fake.control.disabledNames, []);
  await rejects(run("DISABLE"), { message: "a database is required" });
  await rejects(run("PAUSE a b"), { code: "syntax_error" });
  await rejects(run("SUSPEND app"), { code: "syntax_error" });
  await rejects(run("KILL_CLIENT"), { code: "syntax_error" });
});
