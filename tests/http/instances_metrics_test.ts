import assert from "node:assert/strict";
import { freePort, startEtcdCluster, startPgplex, waitFor } from "../harness/mod.ts";

const LEASE_S = 5;

Deno.test("metrics show all instances: which are there, which leads, and how long each counts yet", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  const port = freePort();
  const configOf = (id: number) => ({
    instance: { id, name: `host${id}` },
    auth: { users: { postgres: "postgres" } },
    clusters: {
      main: {
        nodes: [{ name: "n1", host: "127.0.0.1", port: freePort() }],
        superuser: { password: "postgres" },
      },
    },
    coordination: {
      etcd: { endpoints: etcd.urls, prefix: "/metrics/" },
      lease_ttl: `${LEASE_S}s`,
    },
    ...(id === 1 ? { http: { port, public: ["metrics"] } } : {}),
  });
  await using _one = await startPgplex({ config: configOf(1) });
  let text = "";
  const value = (metric: string, id: number): number | null => {
    const found = new RegExp(`^pgplex_instance_${metric}\\{id="${id}",name="host${id}"\\} (\\S+)$`, "m").exec(
      text,
    );
    return found === null ? null : Number(found[1]);
  };
  const shows = async (metric: string, id: number, isIt: (value: number | null) => boolean) => {
    await waitFor(async () => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      text = await response.text();
      return isIt(value(metric, id));
    }, { what: `${metric} of instance ${id}`, deadlineMs: 20_000 }).catch((thrown) => {
      throw new Error(
        `${thrown.message}\n${text.split("\n").filter((line) => line.includes("instance")).join("\n")}`,
      );
    });
  };
  await shows("leading", 1, (value) => value === 1);
  {
    await using two = await startPgplex({ config: configOf(2) });
    await shows("there", 2, (value) => value === 1);
    assert.equal(value("leading", 2), 0);
    const leaseS = value("lease_seconds", 2)!;
    assert.ok(leaseS > 0 && leaseS <= LEASE_S, `${leaseS}`);
    // One that is killed counts until its lease is over.
    await two.stop("SIGKILL");
  }
  await shows("there", 2, (value) => value === 0);
  assert.ok(value("lease_seconds", 2)! <= 0, text);
});
