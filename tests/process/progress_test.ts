import assert from "node:assert/strict";
import { stringify } from "yaml";
import { pgplexCommand, tempDir } from "../harness/mod.ts";

/** Runs pgplex with standard error on a terminal, made by script(1), and standard output in a file, or nowhere a terminal. */
async function run(
  args: string[],
  { folder, isTerminal, term = "xterm" }: { folder: string; isTerminal: boolean; term?: string },
): Promise<{ code: number; stdout: string; stderr: string }> {
  const quoted = [...pgplexCommand(), ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const command = `${quoted} > '${folder}/out'`;
  const { code, stdout, stderr } = await new Deno.Command(isTerminal ? "script" : "sh", {
    args: isTerminal ? ["-qec", command, "/dev/null"] : ["-c", command],
    env: { TERM: term, SHELL: "/bin/sh" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(isTerminal ? stdout : stderr);
  return { code, stdout: await Deno.readTextFile(`${folder}/out`), stderr: text };
}

/** A server that takes connections and never says anything. */
function silentServer(): { port: number } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  const taking = (async () => {
    for await (const conn of listener) taken.push(conn);
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await taking;
      for (const conn of taken) conn.close();
    },
  };
}

Deno.test("pgplex schema says on a terminal for whom it waits, and for how long, and takes that away", async () => {
  await using dir = await tempDir();
  await using server = silentServer();
  const { port } = server;
  const nodes = [{ name: "n1", host: "127.0.0.1", port }];
  const config = `${dir.path}/pgplex.yaml`;
  const clusters = { main: { nodes, superuser: { user: "postgres" }, tls: { mode: "disable" } } };
  const settings = {
    auth: { type: "trust" },
    listen: { port: 1 },
    monitor: { connect_timeout: "2500ms" },
    clusters,
  };
  await Deno.writeTextFile(config, stringify(settings));
  const args = ["schema", "install", "--cluster", "main", "--config", config];

  const watched = await run(args, { folder: dir.path, isTerminal: true });
  const erased = "\r\x1b[K";
  const drawn = watched.stderr.split(erased);
  assert.deepEqual(drawn.slice(0, 2), ["", "waiting for n1 …"]);
  assert.match(drawn[2]!, /^waiting for n1 … [12] s$/);
  const last = drawn.at(-1)!;
  assert.match(last, /^pgplex schema: failed: no node is a primary: /);
  assert.deepEqual([watched.code, watched.stdout], [1, ""]);

  for (const place of [{ isTerminal: false }, { isTerminal: true, term: "dumb" }]) {
    const plain = await run(args, { folder: dir.path, ...place });
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /^pgplex schema: failed: no node is a primary: /);
  }
});

Deno.test("pgplex import says on a terminal which file it reads, and what it prints is the same", async () => {
  await using dir = await tempDir();
  const ini = `${dir.path}/pgbouncer.ini`;
  await Deno.writeTextFile(ini, "[databases]\nshop = host=127.0.0.1\n[pgbouncer]\nauth_type = trust\n");
  const watched = await run(["import", ini], { folder: dir.path, isTerminal: true });
  const plain = await run(["import", ini], { folder: dir.path, isTerminal: false });
  assert.equal(watched.stdout, plain.stdout);
  assert.match(plain.stderr, /^pgplex import: \d+ settings carried over/);
  const erased = "\r\x1b[K";
  const progress = `${erased}${`pgplex import: reading ${ini} …`.slice(0, 79)}${erased}`;
  assert.equal(watched.stderr.replaceAll("\r\n", "\n"), `${progress}${plain.stderr}`);

  const missing = await run(["import", `${dir.path}/x`], { folder: dir.path, isTerminal: true });
  assert.ok(missing.stderr.includes(`${erased}pgplex import: cannot read `), missing.stderr);
});
