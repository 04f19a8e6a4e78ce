import assert from "node:assert/strict";
import { commandIn, type Place, run, startPostgres } from "./mod.ts";
import { Network } from "./netns.ts";

const missing = await Network.missing();
if (missing !== "") console.warn(`SKIPPED: the tests of harness/netns.ts: ${missing}`);

/** Whether a place reaches a port. */
async function reaches(from: Place, { host, port }: { host: string; port: number }): Promise<boolean> {
  const [program, ...args] = commandIn(from, ["timeout", "1", "bash", "-c", `</dev/tcp/${host}/${port}`]);
  return await run(program!, { args }).then(() => true, () => false);
}

Deno.test({
  name: "places of a network are cut off from each other and mended, and nothing of it stays",
  ignore: missing !== "",
  fn: async () => {
    {
      await using network = await Network.create();
      const [a, b, c] = await network.places(3) as [Place, Place, Place];
      await using node = await startPostgres({ major: 18, place: a });
      const [row] = await node.sql("SELECT host(inet_server_addr()) AS host");
      assert.equal(row!["host"], a.host);
      for (const kind of ["silent", "unreachable"] as const) {
        assert.ok(await reaches(b, node));
        await network.cut(a, b, kind);
        assert.deepEqual([await reaches(b, node), await reaches(c, node)], [false, true], kind);
        assert.equal((await node.sql("SELECT 1 AS n"))[0]!["n"], 1);
        await network.mend(a, b);
      }
      assert.ok(await reaches(b, node));
    }
    assert.doesNotMatch(await run("ip", { args: ["netns", "list"] }), new RegExp(`^px${Deno.pid}n`, "m"));
  },
});

Deno.test({
  name: "a network's names are free again although a process of a place is not gone yet",
  ignore: missing !== "",
  fn: async () => {
    let sleeper: Deno.ChildProcess;
    let name: string;
    {
      await using network = await Network.create();
      const [place] = await network.places(1) as [Place];
      name = place.namespace.replace("-", "v");
      const [program, ...args] = commandIn(place, ["sleep", "60"]);
      sleeper = new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).spawn();
      assert.match(await run("ip", { args: ["-o", "link"] }), new RegExp(` ${name}@`));
    }
    try {
      assert.doesNotMatch(await run("ip", { args: ["-o", "link"] }), new RegExp(` ${name}@`));
    } finally {
      sleeper.kill();
      await sleeper.status;
    }
  },
});
