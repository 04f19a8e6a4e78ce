import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { FakeAsker, fakeConsole } from "../command/fake_context_test.ts";
import { Args, lexStatements } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { STATE_COLUMNS } from "../pgbouncer/mod.ts";
import { PGPLEX_COMMANDS } from "./commands.ts";
import { SESSION_STATE_COLUMNS } from "./show_session_state.ts";

Deno.test("SHOW STATE is PgBouncer's without an id, and a session's with one, for administrators", async () => {
  const fake = new FakeParts();
  fake.addSession(1, fake.addPool());
  const columnsOf = async (text: string, admin: boolean) => {
    const answer = await fakeConsole(PGPLEX_COMMANDS, fake.parts, new FakeAsker({ admin })).run(text);
    return "columns" in answer ? answer.columns : null;
  };
  deepEqual(await columnsOf("SHOW STATE", false), STATE_COLUMNS);
  deepEqual(await columnsOf("SHOW STATE 1", true), SESSION_STATE_COLUMNS);
  await rejects(columnsOf("SHOW STATE 1", false), { code: "insufficient_privilege" });
  await rejects(columnsOf("SHOW STATE 1 2", true), { code: "syntax_error" });
});

Deno.test("SHOW STATE says its columns before its parameter is known", () => {
  const { columns } = PGPLEX_COMMANDS.find(({ words }) => words[1] === "STATE")!;
  const described = (text: string) => {
    const [statement] = lexStatements(text);
    return typeof columns === "function" ? columns(new Args(statement?.tokens ?? [])) : columns;
  };
  deepEqual(described(""), STATE_COLUMNS);
  deepEqual(described("$1"), SESSION_STATE_COLUMNS);
});

Deno.test("SHOW PINS, LISTENERS and PROBES answer tables to whoever may look", async () => {
  const { run } = fakeConsole(PGPLEX_COMMANDS, new FakeParts().parts, new FakeAsker({ admin: false }));
  for (const name of ["PINS", "LISTENERS", "PROBES"]) {
    const answer = await run(`SHOW ${name}`);
    deepEqual("rows" in answer && answer.rows, []);
  }
});

Deno.test("INSTALL SCHEMA is an administrator's, names a cluster that there is, and says what was done", async () => {
  const fake = new FakeParts();
  const { run } = fakeConsole(PGPLEX_COMMANDS, fake.parts, new FakeAsker({ admin: true }));
  const [cluster] = fake.parts.live.config.clusters.keys();
  deepEqual(await run(`INSTALL SCHEMA ${cluster}`), {
    notices: [{ severity: "NOTICE", message: "n1: done" }],
  });
  deepEqual(fake.calls.filter((call) => call.startsWith("install")), [`install ${cluster}`]);
  await rejects(run("INSTALL SCHEMA nowhere"), { code: "undefined_object" });
  await rejects(run("INSTALL SCHEMA"), { code: "syntax_error" });
  deepEqual(PGPLEX_COMMANDS.find(({ words }) => words[0] === "INSTALL")?.access, "admin");
});
