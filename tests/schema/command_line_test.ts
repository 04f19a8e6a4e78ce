import assert from "node:assert/strict";
import { stringify } from "yaml";
import { pgplexCommand, tempDir } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";

async function pgplex(...given: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command, ...args] = pgplexCommand();
  const output = await new Deno.Command(command, { args: [...args, ...given], stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

Deno.test("pgplex schema installs, shows and removes the schema of a cluster, and says what is wrong", async () => {
  await using replicas = await Replicas.start();
  await using dir = await tempDir();
  const config = `${dir.path}/pgplex.yaml`;
  const clusters = { main: { nodes: replicas.config, superuser: { user: "postgres" } } };
  await Deno.writeTextFile(config, stringify({ auth: { type: "trust" }, listen: { port: 1 }, clusters }));
  const of = ["--cluster", "main", "--config", config];
  assert.deepEqual(await pgplex("schema", "install", ...of), {
    code: 0,
    stdout: "n1: version 1 is installed\n",
    stderr: "",
  });
  await replicas.nodes[0]!.sql("CHECKPOINT");
  await replicas.caughtUp(1, 0);
  const shown = await pgplex("schema", "show", ...of);
  assert.deepEqual([shown.code, shown.stdout], [0, "n1: primary, version 1\nn2: standby, version 1\n"]);
  assert.equal((await pgplex("schema", "upgrade", ...of)).stdout, "n1: version 1 is there already\n");
  assert.equal((await pgplex("schema", "remove", ...of)).stdout, "n1: version 1 is removed\n");
  for (
    const [args, code, reason] of [
      [["schema", "upgrade", ...of], 1, /refused: no schema pgplex is there: install it/],
      [["schema", "mend", ...of], 2, /give one of install, upgrade, remove, show/],
      [["schema", "show", "--config", config], 2, /give --cluster NAME/],
      [["schema", "show", "--cluster", "other", "--config", config], 2, /no cluster other/],
    ] as const
  ) {
    const result = await pgplex(...args);
    assert.equal(result.code, code);
    assert.match(result.stderr, reason);
  }
});
