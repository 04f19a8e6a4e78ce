import assert from "node:assert/strict";
import { childrenOf, isAlive, startPgplex, tempDir, waitFor, WireClient } from "./mod.ts";

const sanitize = { sanitizeOps: true, sanitizeResources: true };

/** A stand-in for pgplex: listens where its configuration says, logs SIGHUP, ends with code 0 on SIGTERM. */
const STAND_IN = `#!/usr/bin/env node
const text = require("fs").readFileSync(process.argv[3], "utf8");
const port = Number(/port: (\\d+)/.exec(text)[1]);
if (text.includes("broken")) { console.error("the file is broken"); process.exit(2); }
require("net").createServer((socket) => socket.end("S")).listen(port, "127.0.0.1");
process.on("SIGHUP", () => console.error("reloaded"));
process.on("SIGTERM", () => process.exit(0));
`;

Deno.test({
  name: "startPgplex() runs $PGPLEX_BIN, reloads it, and returns its exit code",
  ...sanitize,
  async fn() {
    await using dir = await tempDir();
    const binary = `${dir.path}/stand-in`;
    await Deno.writeTextFile(binary, STAND_IN, { mode: 0o755 });
    Deno.env.set("PGPLEX_BIN", binary);
    try {
      await using pgplex = await startPgplex({ config: { log: { level: "debug" } } });
      await using client = await WireClient.open(pgplex);
      assert.equal(await client.readByte(), "S");
      await pgplex.reload();
      await waitFor(() => pgplex.log.includes("reloaded"), { what: "the reload" });
      assert.equal(await pgplex.stop(), 0);
      assert.equal(pgplex.running, false);
      const url = pgplex.url({ user: "a", password: "b/c", database: "app@main" });
      assert.equal(url, `postgresql://a:b%2Fc@127.0.0.1:${pgplex.port}/app@main`);

      await assert.rejects(startPgplex({ config: { broken: true } }), /exit code 2[^]*the file is broken/);
    } finally {
      Deno.env.delete("PGPLEX_BIN");
    }
  },
});

Deno.test({
  name: "Watchdog ends PostgreSQL and removes its folder when the program that started it is killed",
  ...sanitize,
  async fn() {
    await using dir = await tempDir();
    const script = `${dir.path}/start.ts`;
    const module = new URL("../../tools/embedded/mod.ts", import.meta.url);
    await Deno.writeTextFile(
      script,
      `import { startPostgres } from "${module}";
       const node = await startPostgres({ major: 18 });
       await Deno.writeTextFile("${dir.path}/out", JSON.stringify([node.pid, node.dataDir]));
       setInterval(() => {}, 1000);`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["run", "-A", "--no-lock", "--config", config, script];
    const child = new Deno.Command(Deno.execPath(), {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const [pid, dataDir] = await waitFor(async () => JSON.parse(await Deno.readTextFile(`${dir.path}/out`)), {
      what: "PostgreSQL to start",
      deadlineMs: 60_000,
    });
    assert.ok((await childrenOf(pid)).length > 0);
    child.kill("SIGKILL");
    await child.status;
    await waitFor(async () => !await isAlive(pid), { what: "PostgreSQL to end" });
    await waitFor(() => Deno.stat(dataDir).then(() => false, () => true), {
      what: "its folder to be removed",
    });
  },
});
