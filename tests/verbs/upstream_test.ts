import assert from "node:assert/strict";
import { type PostgresMajor, waitFor } from "../harness/mod.ts";
import type { NodeVerbs } from "../../src/verbs/mod.ts";
import { good, type VerbsOptions, VerbsRig } from "../harness/verbs_rig.ts";

/** Of this major there is an installation with all programs on many machines; what is downloaded has no pg_rewind. */
const BIN = "/usr/lib/postgresql/15/bin";
const hasRewind = await Deno.stat(`${BIN}/pg_rewind`).then(() => true, () => false);

const PASSWORD = "ge'heim x";
const login = (name: string) => `user=repl password='ge\\'heim x' application_name=site_${name}`;

/** Servers that admit a role of its own for replication alone; none is known there by its node's name. */
async function start(
  { major, standbys, binDir }: { major: PostgresMajor; standbys: number; binDir?: string },
): Promise<VerbsRig> {
  return await VerbsRig.start({
    major,
    standbys,
    login,
    ...(binDir === undefined ? {} : { binDir }),
    hba: [
      "host replication repl 127.0.0.1/32 scram-sha-256",
      "host replication all 127.0.0.1/32 reject",
    ],
    settings: {
      full_page_writes: "on",
      wal_log_hints: "on",
      log_statement: "all",
      // Of the primary; the standbys get one with an address.
      primary_conninfo: `host=127.0.0.1 port=1 ${login("n1")}`,
    },
    setup: `CREATE ROLE repl LOGIN REPLICATION PASSWORD '${
      PASSWORD.replaceAll("'", "''")
    }'; CREATE TABLE t (i int)`,
  });
}

/** Waits until exactly these receive from a node, as the role of replication. */
async function feeds(rig: VerbsRig, index: number, names: readonly string[]): Promise<void> {
  const sql =
    `SELECT coalesce(string_agg(usename || ' ' || application_name, ', ' ORDER BY application_name), '')
    AS who FROM pg_stat_replication WHERE state = 'streaming'`;
  const wanted = names.map((name) => `repl site_${name}`).join(", ");
  let last: unknown;
  await waitFor(async () => (last = (await rig.node(index).sql(sql))[0]!["who"]) === wanted, {
    what: `n${index + 1} to feed ${wanted}`,
  }).catch(async (thrown) => {
    const logs = await Promise.all(rig.replicas.nodes.map(async (node) => (await node.log()).slice(-2000)));
    throw new Error(`${thrown.message}; it feeds ${last}\n${logs.join("\n---\n")}`);
  });
}

/** A switchover by verbs. */
async function switchover(rig: VerbsRig, from: number, to: number, options?: VerbsOptions): Promise<void> {
  const [old, candidate] = [rig.verbs(from, options), rig.verbs(to, options)];
  good(await old.demote({ upstream: rig.upstream(to), supervised: false, slot: null }));
  await rig.isStandby(from, old);
  const { lsn } = good(await old.inspect());
  await rig.sees(candidate, ({ replayLsn }) => replayLsn >= lsn, "the candidate to have all of it");
  good(await candidate.promote({ timeoutMs: 10_000 }));
}

/** The password is in no log, and what keeps it is the server's user's alone. */
async function isSecret(rig: VerbsRig, index: number): Promise<void> {
  for (const name of ["pgplex.conninfo", "pgplex.passfile"]) {
    const { mode } = await Deno.stat(`${rig.node(index).dataDir}/${name}`);
    assert.equal(mode! & 0o777, 0o600, name);
  }
  for (const node of rig.replicas.nodes) {
    const lines = (await node.log()).split("\n").filter((line) => !/CREATE ROLE/.test(line));
    assert.deepEqual(lines.filter((line) => /ge['\\]+heim|Z2UnaGVpbSB4/.test(line)), []);
  }
}

for (const major of [12, 14, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a switchover there and back keeps how each node logs in to the other one, and under which name commits wait for it`, async () => {
    await using rig = await start({ major, standbys: 1 });
    for (const [from, to] of [[0, 1], [1, 0]] as const) {
      await switchover(rig, from, to);
      await feeds(rig, to, [`n${from + 1}`]);
      const promoted = rig.verbs(to);
      good(await promoted.synchronousNames(`site_n${from + 1}`));
      await rig.node(to).sql(`INSERT INTO t VALUES (${to})`);
      good(await promoted.synchronousNames(""));
    }
  });

  Deno.test(`PostgreSQL ${major}: who has not frozen the standbys points them elsewhere as what they log in as, and demotes one of them that was promoted`, async () => {
    await using rig = await start({ major, standbys: 2 });
    const frozenBy: NodeVerbs[] = [rig.verbs(1), rig.verbs(2)];
    await rig.node(0).kill("SIGKILL");
    for (const [at, verbs] of frozenBy.entries()) {
      // The second time there is nothing to keep, and what is kept stays.
      for (let count = 0; count < 2; count++) {
        good(await verbs.freeze());
        await rig.node(at + 1).adopt();
      }
      verbs.close();
    }
    good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
    good(await rig.verbs(2).repoint({ upstream: rig.upstream(1), slot: null }));
    await rig.node(2).adopt();
    await feeds(rig, 1, ["n3"]);
    // It was promoted with an empty primary_conninfo.
    await switchover(rig, 1, 2);
    await feeds(rig, 2, ["n2"]);
    good(await rig.verbs(1).freeze());
    await rig.node(1).adopt();
    const request = { upstream: rig.upstream(2), slot: null, supervised: false, mode: "standby" } as const;
    const again = rig.verbs(1);
    good(await again.rejoin(request));
    await rig.isStandby(1, again);
    await feeds(rig, 2, ["n2"]);
    await isSecret(rig, 1);
  });
}

Deno.test({
  name: `a node whose rewind was refused logs in as before when it is rejoined by somebody else${
    hasRewind ? "" : ` (skipped: ${BIN}/pg_rewind is missing)`
  }`,
  ignore: !hasRewind,
  fn: async () => {
    await using rig = await start({ major: 15, standbys: 1, binDir: BIN });
    await rig.node(0).kill("SIGKILL");
    good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
    await rig.node(0).start();
    good(await rig.verbs(1).checkpoint());
    const request = { slot: null, supervised: false, mode: "rewind" } as const;
    const old = rig.verbs(0);
    good(await old.rejoin({ ...request, upstream: { name: "n9", host: "127.0.0.1", port: 1 } }));
    await rig.isStandby(0, old);
    await waitFor(async () => {
      const state = await old.rejoinState("");
      return state.ok && state.state === "failed";
    }, { what: "the rewind to be refused" });
    old.close();
    const other = rig.verbs(0);
    assert.equal(good(await other.inspect()).hasUpstream, false);
    good(await other.rejoin({ ...request, upstream: rig.upstream(1) }));
    await rig.isStandby(0, other);
    await feeds(rig, 1, ["n1"]);
    await isSecret(rig, 0);
  },
});
