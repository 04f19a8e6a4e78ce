import assert from "node:assert/strict";
import { parse } from "yaml";
import { type PgplexProcess, requireProgram, startPgplex, startPostgres, waitFor } from "../harness/mod.ts";
import { PsqlTerminal } from "../harness/psql_terminal.ts";
import { readWalkthrough, type WalkStep } from "../harness/walkthrough.ts";
import { Matcher } from "../harness/walkthrough_matcher.ts";

const SECTION = "A night at the console";

/** Opens the terminal that a `$ … psql …` line of the document opens, at the pgplex of this test. */
function open(line: string, pgplex: PgplexProcess): PsqlTerminal {
  const words = line.split(/\s+/);
  const env: Record<string, string> = {};
  while (words[0]!.includes("=")) {
    const [name, value] = words.shift()!.split("=");
    env[name!] = value!;
  }
  assert.equal(words.shift(), "psql", `${line} starts psql`);
  const args = words.map((word) => word === "6432" ? String(pgplex.port) : word);
  assert.notDeepEqual(args, words, `${line} names port 6432`);
  return new PsqlTerminal(args, env);
}

Deno.test("A night at the console goes as docs/CONSOLE.md says, line by line", async () => {
  await requireProgram("psql", "postgresql-client");
  const text = await Deno.readTextFile(new URL("../../docs/CONSOLE.md", import.meta.url));
  const { config, steps } = readWalkthrough(text, SECTION);
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await node.sql("CREATE DATABASE shop");
  const settings = parse(config) as { clusters: { main: { nodes: { port: number }[] } } };
  settings.clusters.main.nodes[0]!.port = node.port;
  await using pgplex = await startPgplex({ config: settings as unknown as Record<string, unknown> });

  const terminals = new Map<string, PsqlTerminal>();
  const matcher = new Matcher();
  let lines = 0;
  const play = async ({ terminal: name, line, kind, input, output }: WalkStep) => {
    const where = `docs/CONSOLE.md:${line}`;
    if (kind === "open") {
      assert.ok(!terminals.has(name), `${where}: ${name} is open already`);
      terminals.set(name, open(input, pgplex));
      return;
    }
    const terminal = terminals.get(name);
    assert.ok(terminal !== undefined, `${where}: ${name} was opened`);
    if (kind === "answer") return matcher.check(await terminal.answer(), output, where);
    lines++;
    const command = matcher.actual(input);
    if (kind === "waits") return terminal.send(command);
    if (!/^SHOW /i.test(command)) return matcher.check(await terminal.run(command), output, where);
    // What is shown follows what was done elsewhere, within moments.
    await waitFor(async () => {
      const fork = matcher.fork();
      fork.check(await terminal.run(command), output, where);
      matcher.accept(fork);
      return true;
    }, { what: where, deadlineMs: 5000 });
  };
  try {
    for (const step of steps) await play(step);
    assert.ok(lines >= 20, `${lines} commands were run`);
  } finally {
    for (const terminal of terminals.values()) await terminal.close();
  }
});
