import assert from "node:assert/strict";
import { cancel, errorOf, waitFor } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { NumberedWriter } from "../harness/numbered.ts";
import { Watched } from "../harness/watched.ts";
import { LEASE_MS, Party } from "./party.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** The numbers that were acknowledged and are not there. */
async function missing(party: Party, writers: readonly NumberedWriter[]): Promise<number[]> {
  await using client = await party.there[0]!.client();
  const messages = await client.query("SELECT n FROM w");
  const there = new Set(messages.flatMap(({ values }) => values === undefined ? [] : [Number(values[0])]));
  return writers.flatMap(({ acknowledged }) => acknowledged.filter((n) => !there.has(n)));
}

Deno.test({
  name:
    "the leader and the primary are killed together: clients of the others go on, idle ones without an error",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start();
    const leader = await party.leader();
    const [other, third] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    const rows = await shown(party.at(other).console, "SHOW INSTANCES");
    assert.deepEqual(
      rows.map(({ id, leader, here }) => [id, leader, here]),
      [1, 2, 3].map((id) => [
        `${id}`,
        id === leader ? "t" : "f",
        id === other ? "t" : "f",
      ]),
    );
    await using idle = await party.at(other).client();
    await idle.query(`SET "my.name" = 'kept'`);
    await using one = await party.at(other).client();
    await using two = await party.at(third).client();
    const writers = [one, two].map((client, at) => new NumberedWriter(client, { first: at + 1, step: 2 }));
    for (const writer of writers) writer.start();
    await Promise.all(writers.map((writer) => writer.writes(50)));
    await Promise.all([party.kill(leader), party.replicas.nodes[0]!.kill("SIGKILL")]);
    await Promise.all(writers.map((writer) => writer.writes(20, 40_000))).catch((thrown) => {
      throw new Error(`${thrown.message}\n${party.at(other).pgplex.log}\n${party.at(third).pgplex.log}`);
    });
    for (const writer of writers) await writer.stop();
    const pauses = writers.map(({ pauseMs }) => Math.round(pauseMs));
    console.log(`writes stood still for ${pauses.join(" and ")} ms`);
    assert.ok(pauses.every((ms) => ms < 10_000), pauses.join());
    assert.deepEqual(await missing(party, writers), []);
    const kept = await idle.query("SHOW my.name");
    assert.equal(kept.find(({ values }) => values)?.values?.[0], "kept");
    const states = await Promise.all(party.there.map((watched) => party.serves(watched)));
    assert.deepEqual(states.map(({ epoch }) => epoch), ["2", "2"]);
    assert.notEqual(await party.leader(), leader);
  },
});

Deno.test({
  name:
    "SWITCHOVER is done by the leader wherever it is asked for, and no client of any instance has an error",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start({ cluster: { failover: "manual", rejoin: "sql" } });
    const leader = await party.leader();
    const clients = await Promise.all(party.there.map((one) => one.client()));
    const writers = clients.map((client, at) => new NumberedWriter(client, { first: at + 1, step: 3 }));
    for (const writer of writers) writer.start();
    await Promise.all(writers.map((writer) => writer.writes(20)));
    const other = party.at(leader === 1 ? 2 : 1);
    for (const to of ["n2", "n1"]) {
      const messages = await other.console.query(`SWITCHOVER main TO ${to}`);
      assert.equal(errorOf(messages), null, JSON.stringify(errorOf(messages)));
      await Promise.all(
        party.there.map((one) =>
          waitFor(async () => (await one.cluster())["primary"] === to, { what: `${to} to be the primary` })
        ),
      );
      await Promise.all(writers.map((writer) => writer.writes(20)));
    }
    for (const writer of writers) await writer.stop();
    assert.deepEqual(writers.map(({ failed }) => failed), [[], [], []]);
    assert.deepEqual(await missing(party, writers), []);
    console.log(`pauses: ${writers.map(({ pauseMs }) => pauseMs.toFixed()).join(", ")} ms`);
    for (const client of clients) await client[Symbol.asyncDispose]();
  },
});

Deno.test({
  name: "while etcd is away writes wait, reads on standbys go on, and all comes back by itself",
  ...RESTARTS,
  fn: async () => {
    const pool = { query_wait_timeout: `${LEASE_MS / 2}ms` };
    await using party = await Party.start({ instances: 2, config: { pool } });
    await using writer = await party.at(1).client();
    await using reader = await party.at(2).client();
    await reader.query("SET pgplex.intent = read");
    await using inside = await party.at(1).client();
    await inside.query("BEGIN");
    await inside.query("INSERT INTO w VALUES (1)");
    for (const member of party.etcd.members) member.signal("SIGSTOP");
    await waitFor(async () => (await party.at(1).cluster())["phase"] === "holding", {
      what: "the permit to end",
      deadlineMs: 2 * LEASE_MS,
    });
    await waitFor(async () => (await party.at(2).cluster())["phase"] === "holding", {
      what: "the permit of the other one to end",
      deadlineMs: 2 * LEASE_MS,
    });
    const refused = errorOf(await writer.query("INSERT INTO w VALUES (2)"));
    assert.match(`${refused?.["C"]} ${refused?.["M"]} ${refused?.["D"]}`, /no permit/);
    assert.equal(errorOf(await inside.query("INSERT INTO w VALUES (3)"))?.["C"], "40001");
    assert.equal(errorOf(await inside.query("ROLLBACK")), null);
    assert.equal(errorOf(await reader.query("SELECT count(*) FROM w")), null);
    for (const member of party.etcd.members) member.signal("SIGCONT");
    await waitFor(async () => errorOf(await writer.query("INSERT INTO w VALUES (4)")) === null, {
      what: "writes to go on",
      deadlineMs: 20_000,
    });
    assert.equal(await party.at(2).sql("SELECT string_agg(n::text, ' ') FROM w"), "4");
  },
});

Deno.test({
  name: "an instance that sleeps through a failover sends nothing to the old primary when it wakes",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start();
    const leader = await party.leader();
    const sleeper = party.at(leader === 1 ? 2 : 1);
    await using asleep = await sleeper.client();
    await using inside = await sleeper.client();
    await inside.query("BEGIN");
    await inside.query("INSERT INTO w VALUES (1001)");
    sleeper.pgplex.signal("SIGSTOP");
    // What its clients say now is read when it wakes, before anything else happens.
    const [written, committed] = [asleep.query("INSERT INTO w VALUES (1002)"), inside.query("COMMIT")];
    await party.replicas.nodes[0]!.kill("SIGSTOP");
    const other = party.there.find((one) => one !== sleeper)!;
    await waitFor(async () => (await other.cluster())["epoch"] === "2", {
      what: "a failover without the sleeper",
      deadlineMs: 30_000,
    }).catch((thrown) => {
      throw new Error(`${thrown.message}\n${other.pgplex.log}`);
    });
    await party.serves(other);
    await party.replicas.nodes[0]!.kill("SIGCONT");
    sleeper.pgplex.signal("SIGCONT");
    assert.equal(errorOf(await committed)?.["C"], "40001");
    // It waits for the new primary, or is refused; the old one does not see it.
    const error = errorOf(await written);
    const there = await other.sql("SELECT string_agg(n::text, ' ' ORDER BY n) FROM w");
    assert.equal(there, error === null ? "1002" : null);
    const port = await other.port();
    assert.notEqual(port, party.replicas.nodes[0]!.port);
    await party.serves(sleeper);
    assert.equal(await sleeper.port(), port);
  },
});

Deno.test({
  name: "Ctrl-C works through another instance than the one that has the session",
  ...RESTARTS,
  fn: async () => {
    for (const mode of ["transaction", "session"]) {
      await using party = await Party.start({
        instances: 2,
        members: 1,
        config: { pool: { pool_mode: mode } },
      });
      await using client = await party.at(1).client();
      const slept = client.query("SELECT pg_sleep(60)");
      await waitFor(async () => {
        const [row] = await party.replicas.nodes[0]!.sql(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'",
        );
        return row?.["n"] === 1;
      }, { what: "the statement to run" });
      await cancel(party.at(2).pgplex, client.key!);
      assert.equal(errorOf(await slept)?.["C"], "57014", mode);
    }
  },
});

Deno.test({
  name: "an id that is taken is waited for, and said; a record of a newer pgplex is left alone",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start({ instances: 2, members: 1 });
    await using twin = await Watched.start(party.configOf(2));
    await waitFor(() => twin.logged("instance 2 is there already").length === 1, {
      what: "the log to say it",
    });
    assert.equal((await twin.cluster())["phase"], "holding");
    const record = await party.etcd.get("/party/clusters/main");
    await party.kill(1);
    await party.at(2).pgplex.stop("SIGTERM");
    party.instances.length = 0;
    await waitFor(async () => (await twin.cluster())["phase"] === "serving", {
      what: "the twin to take its place",
      deadlineMs: 4 * LEASE_MS,
    });
    await party.etcd.put("/party/clusters/main", record!.replace('"format":1', '"format":2'));
    await waitFor(async () => (await twin.cluster())["phase"] === "holding", {
      what: "the cluster to be left to the newer one",
      deadlineMs: 10_000,
    });
    await party.etcd.put("/party/clusters/main", record!);
    await waitFor(async () => (await twin.cluster())["phase"] === "serving", {
      what: "the cluster to be served again",
      deadlineMs: 20_000,
    });
  },
});

Deno.test({
  name: "failsafe: witness goes on without etcd while all standbys stream from the primary, and no longer",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start({ instances: 2, members: 1, failsafe: "witness" });
    await using client = await party.at(1).client();
    const writer = new NumberedWriter(client);
    writer.start();
    await writer.writes(10);
    party.etcd.members[0]!.signal("SIGSTOP");
    await waitFor(() => party.at(1).logged("all standbys stream from it").length > 0, {
      what: "the log to say that the primary is its own witness",
      deadlineMs: 3 * LEASE_MS,
    });
    await writer.writes(50);
    assert.deepEqual(writer.failed, []);
    await party.replicas.nodes[2]!.kill("SIGKILL");
    await waitFor(async () => (await party.at(1).cluster())["phase"] === "holding", {
      what: "writes to wait as one standby is gone",
      deadlineMs: 2 * LEASE_MS,
    });
    party.etcd.members[0]!.signal("SIGCONT");
    await writer.writes(10);
    await writer.stop();
    assert.deepEqual(await missing(party, [writer]), []);
  },
});

Deno.test({
  name: "failover: follow is followed by all instances together",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start({ instances: 2, members: 1, cluster: { failover: "follow" } });
    await party.replicas.nodes[0]!.reload({ synchronous_standby_names: "" });
    await using client = await party.at(1).client();
    const writer = new NumberedWriter(client);
    writer.start();
    await writer.writes(10);
    await party.replicas.nodes[0]!.kill("SIGKILL");
    await party.replicas.promote(1);
    await writer.writes(10);
    await writer.stop();
    for (const one of party.there) {
      await waitFor(async () => (await one.cluster())["primary"] === "n2", { what: "n2 to be the primary" });
      assert.equal((await party.serves(one))["epoch"], "2");
    }
    const [last] = await shown(party.at(2).console, "SHOW FAILOVERS");
    assert.deepEqual([last?.["kind"], last?.["to"]], ["follow", "n2"]);
  },
});

Deno.test({
  name: "an instance whose file lacks the cluster is not waited for, and is once a reload has put it there",
  ...RESTARTS,
  fn: async () => {
    await using party = await Party.start({
      instances: 2,
      members: 1,
      cluster: { failover: "manual", rejoin: "sql" },
    });
    const whole = party.configOf(3);
    const { main } = whole["clusters"] as Record<string, unknown>;
    const elsewhere = { clusters: { elsewhere: main }, routing: { default_cluster: "elsewhere" } };
    await using third = await Watched.start({ ...whole, ...elsewhere });
    const all = async () => (await shown(party.at(1).console, "SHOW INSTANCES")).length === 3;
    await waitFor(all, { what: "the third instance to be known" });
    const leads = async () => party.at(await party.leader());
    await using client = await party.at(1).client();
    const writer = new NumberedWriter(client, { first: 1, step: 2 });
    writer.start();
    await writer.writes(10);
    const move = async (to: string) => {
      const messages = await (await leads()).console.query(`SWITCHOVER main TO ${to}`);
      assert.equal(errorOf(messages), null, JSON.stringify(errorOf(messages)));
      await writer.writes(10);
    };
    await move("n2");
    await third.pgplex.reload(whole);
    await party.serves(third);
    await using late = await third.client();
    const another = new NumberedWriter(late, { first: 2, step: 2 });
    another.start();
    await another.writes(10);
    await move("n1");
    await another.writes(10);
    for (const one of [writer, another]) await one.stop();
    assert.deepEqual(await missing(party, [writer, another]), []);
    await third.pgplex.reload({ ...whole, ...elsewhere });
    await waitFor(() => third.logged("configuration reloaded").length === 2, { what: "the reload" });
    const again = new NumberedWriter(client, { first: 100_001, step: 1 });
    again.start();
    await again.writes(5);
    const moved = await party.at(2).console.query("SWITCHOVER main TO n3");
    assert.equal(errorOf(moved), null, JSON.stringify(errorOf(moved)));
    await again.writes(5);
    await again.stop();
  },
});
