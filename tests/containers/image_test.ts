/**
 * The image of the Dockerfile, in whatever container engine is there. PGPLEX_IMAGE names one that is built already; else it is built,
 * for which the engine needs the internet. The container shares the machine's network, to reach the server of the test.
 */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { errorOf, freePort, rowsOf, startPostgres, waitFor, WireClient } from "../harness/mod.ts";

const SOCKETS = ["/var/run/docker.sock", "/run/podman/podman.sock"];
const isThere = (path: string) => {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch {
    return false;
  }
};
const socket = SOCKETS.find(isThere);
const hasEngine = Deno.env.has("DOCKER_HOST") || socket !== undefined;
const CONFIG = "/etc/pgplex/pgplex.yaml";

/** The image to test. */
async function imageOf({ GenericContainer }: typeof import("testcontainers")) {
  const built = Deno.env.get("PGPLEX_IMAGE");
  if (built !== undefined) return new GenericContainer(built);
  return await GenericContainer.fromDockerfile(new URL("../..", import.meta.url).pathname).build();
}

Deno.test({
  name:
    `the image runs as a user without rights, says that it is healthy, serves clients, and drains when it is stopped${
      hasEngine ? "" : " (skipped: there is no container engine)"
    }`,
  ignore: !hasEngine,
  // The library keeps its connection to the engine.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    if (!Deno.env.has("DOCKER_HOST")) Deno.env.set("DOCKER_HOST", `unix://${socket}`);
    // Its reaper is an image of its own, to be downloaded; the container is stopped below.
    Deno.env.set("TESTCONTAINERS_RYUK_DISABLED", "true");
    const library = await import("testcontainers");
    await using node = await startPostgres({ major: 18, auth: "trust" });
    const port = freePort();
    const config = stringify({
      listen: { address: "127.0.0.1", port },
      auth: { type: "trust" },
      routing: { default_cluster: "main" },
      clusters: { main: { nodes: [{ name: "n1", host: "127.0.0.1", port: node.port }] } },
    });
    const image = await imageOf(library);
    const container = await image
      .withNetworkMode("host")
      .withCopyContentToContainer([{ content: config, target: CONFIG, mode: 0o644 }])
      .withWaitStrategy(library.Wait.forLogMessage("pgplex is ready"))
      .withStartupTimeout(30_000)
      .start();
    try {
      assert.equal((await container.exec(["id", "-u"])).output.trim(), "10001");
      const login = { user: "postgres", database: "postgres" };
      await using client = await WireClient.connect({ host: "127.0.0.1", port }, login);
      assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);
      const health = () => container.exec(["/usr/local/bin/pgplex", "--config", CONFIG, "--health"]);
      await waitFor(async () => (await health()).exitCode === 0, { what: "pgplex to be healthy" });

      await client.query("BEGIN");
      const stopped = container.stop({ timeout: 20_000 });
      // It takes no more clients, and waits for the one in a transaction.
      const refused = () =>
        WireClient.connect({ host: "127.0.0.1", port }, login).then(() => false, () => true);
      await waitFor(refused, { what: "the drain to begin" });
      assert.deepEqual(rowsOf(await client.query("SELECT 2")), [["2"]]);
      assert.equal((await client.query("COMMIT")).at(-1)!.status, "I");
      assert.equal(errorOf(await client.closed())?.["C"], "57P01");
      await stopped;
    } finally {
      await container.stop().catch(() => {});
    }
  },
});
