import assert from "node:assert/strict";
import { rowsOf, startPgplex, startPostgres, WireClient } from "../harness/mod.ts";

const SHOWN =
  "SELECT current_setting('enable_seqscan'), current_setting('work_mem'), current_setting('TimeZone')";

async function shown(client: WireClient): Promise<string> {
  return rowsOf(await client.query(SHOWN)).join();
}

Deno.test("what connect_query sets holds in every session, whatever those before did, and RESET goes back to it", async (t) => {
  await using node = await startPostgres({ major: 15, auth: "trust" });
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      console: { admin_users: ["postgres"] },
      routing: {
        databases: {
          app: {
            cluster: "main",
            database: "postgres",
            default_pool_size: 1,
            connect_query: "set enable_seqscan=off; set work_mem = '7MB'; set timezone = 'Asia/Tokyo'",
          },
        },
      },
      clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }] } },
    },
  });
  for (const mode of ["transaction", "session"]) {
    await t.step(mode, async () => {
      const connect = (params: Record<string, string> = {}) =>
        WireClient.connect(pgplex, { user: "postgres", database: "app", params });
      await using console = await WireClient.connect(pgplex, { user: "postgres", database: "pgplex" });
      await console.query(`SET pool_mode = ${mode}`);
      for (
        const leaves of [
          "SELECT 1",
          "SET enable_seqscan = on",
          "RESET ALL",
          "DISCARD ALL",
          "SET work_mem = '1MB'",
        ]
      ) {
        await using client = await connect();
        assert.equal(await shown(client), "off,7MB,Asia/Tokyo", `before ${leaves}`);
        await client.query(leaves);
        await client.query("RESET work_mem");
        assert.match(await shown(client), /,7MB,/);
      }
      await using other = await connect({ TimeZone: "UTC" });
      assert.equal(await shown(other), "off,7MB,UTC", "what a client asks for at login is the client's");
    });
  }
});
