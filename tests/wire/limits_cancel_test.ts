import assert from "node:assert/strict";
import {
  cancel,
  childrenOf,
  errorOf,
  frontend,
  psql,
  signalTo,
  startPgplex,
  startPostgres,
  typesOf,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { Bystander, packet, play, type Script } from "../harness/wire_script.ts";

const { cancelRequest, int32, query } = frontend;

const login = { user: "postgres", password: "postgres" };
const CANCEL_CODE = int32(80877102);
const INSTANCE = 0x1234;

const LENGTHS: Script[] = [
  ...[0, 3, 4, 5, 31, 32, 33, 256, 257, 300].map((bytes) => ({
    name: `a cancel request with a secret of ${bytes} bytes`,
    steps: [cancelRequest(4711, new Uint8Array(bytes))],
  })),
  { name: "a cancel request without a process id", steps: [packet(CANCEL_CODE)] },
  { name: "a cancel request with half a process id", steps: [packet(CANCEL_CODE, new Uint8Array(2))] },
  {
    name: "a cancel request with more behind it",
    steps: [[cancelRequest(1, new Uint8Array(4)), query("SELECT 1")]],
  },
];

Deno.test("a cancel request closes its connection, and touches nobody but the owner of its key", async (t) => {
  await using old = await startPostgres({ major: 14 });
  await using young = await startPostgres({ major: 18 });
  await using pgplex = await startPgplex({
    config: {
      instance: { id: INSTANCE },
      auth: { users: { postgres: "postgres" } },
      routing: {
        databases: {
          session: { cluster: "old", database: "postgres", pool_mode: "session" },
          transaction: { cluster: "young", database: "postgres", pool_mode: "transaction" },
        },
      },
      clusters: {
        old: { nodes: [{ name: "old", host: old.host, port: old.port }] },
        young: { nodes: [{ name: "young", host: young.host, port: young.port }] },
      },
    },
  });
  const sleeping = (seconds: number) =>
    waitFor(async () => {
      const sql =
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(${seconds})%' AND state = 'active'`;
      return (await old.sql(sql)).length + (await young.sql(sql)).length > 0;
    }, { what: `pg_sleep(${seconds}) to run` });

  for (const script of LENGTHS) {
    await t.step(`${script.name} closes the connection as on PostgreSQL`, async () => {
      const [direct, through] = await Promise.all([play(young, script), play(pgplex, script)]);
      assert.deepEqual(through, direct);
    });
  }

  for (const database of ["session", "transaction"]) {
    const who = { ...login, database };

    await t.step(
      `keys have 4 bytes in protocol 3.0, 32 in 3.2, and carry the instance, ${database}`,
      async () => {
        for (
          const [protocol, bytes] of [[0x3_0000, 4], [0x3_0002, 32], [0x3_270f, 32], [0x3_0001, 4]] as const
        ) {
          await using first = await WireClient.connect(pgplex, { ...who, protocol });
          await using second = await WireClient.connect(pgplex, { ...who, protocol });
          for (const { key } of [first, second]) {
            assert.equal(key!.secret.length, bytes);
            if (database !== "session") assert.equal((key!.pid >>> 15) & 0x7fff, INSTANCE);
          }
          assert.notDeepEqual(first.key, second.key);
          assert.notDeepEqual(first.key!.secret, second.key!.secret);
        }
      },
    );

    await t.step(`keys stay apart when serials begin anew, ${database}`, async () => {
      const clients = await Promise.all(Array.from({ length: 20 }, () => WireClient.connect(pgplex, who)));
      for (let i = 0; i < 240; i += 20) {
        await Promise.all(Array.from({ length: 20 }, async () => {
          await using _more = await WireClient.connect(pgplex, who);
        }));
      }
      const last = await WireClient.connect(pgplex, who);
      const keys = [...clients, last].map(({ key }) => `${key!.pid} ${key!.secret.join(" ")}`);
      assert.equal(new Set(keys).size, keys.length);
      await Promise.all([...clients, last].map((client) => client.close()));
    });

    await t.step(`the right key cancels the statement, and wrong ones do not, ${database}`, async () => {
      for (const protocol of [frontend.PROTOCOL_3_0, frontend.PROTOCOL_3_2]) {
        await using client = await WireClient.connect(pgplex, { ...who, protocol });
        await using bystander = await Bystander.connect(pgplex, who);
        await client.send(query("SELECT pg_sleep(61)"));
        await sleeping(61);
        const { pid, secret } = client.key!;
        const flipped = Uint8Array.from(secret, (byte, i) => i === secret.length - 1 ? byte ^ 1 : byte);
        const wrong: [number, Uint8Array][] = [
          [pid, flipped],
          [pid, secret.subarray(0, -1)],
          [pid, Uint8Array.of(...secret, 0)],
          [pid + 1, secret],
          [pid ^ 0x100, secret],
          [pid ^ 0x10000, secret],
          [-pid, secret],
        ];
        for (const [id, bytes] of wrong) await cancel(pgplex, { pid: id, secret: bytes });
        await bystander.isUndisturbed();
        await sleeping(61);
        await cancel(pgplex, client.key!);
        assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
        assert.equal(typesOf(await client.query("SELECT 1")), "TDCZ");
        await bystander.isUndisturbed();
      }
    });

    await t.step(`a key is worth nothing when its session is idle, or over, ${database}`, async () => {
      await using client = await WireClient.connect(pgplex, who);
      const { key } = client;
      assert.equal(typesOf(await client.query("SELECT 1")), "TDCZ");
      await cancel(pgplex, key!);
      // On the connection that the idle session used last.
      await using other = await WireClient.connect(pgplex, who);
      await other.send(query("SELECT pg_sleep(0.2)"));
      await cancel(pgplex, key!);
      assert.equal(typesOf(await other.readUntil("Z")), "TDCZ");
      await client.close();
      await other.send(query("SELECT pg_sleep(0.2)"));
      await cancel(pgplex, key!);
      assert.equal(typesOf(await other.readUntil("Z")), "TDCZ");
    });

    await t.step(`psql's own Ctrl-C cancels, ${database}`, async () => {
      const connection = { ...who, host: pgplex.host, port: pgplex.port };
      const before = new Set(await childrenOf(Deno.pid));
      const running = psql(["-Atc", "SELECT pg_sleep(62)"], { connection });
      await sleeping(62);
      for (const child of await childrenOf(Deno.pid)) if (!before.has(child)) signalTo(child, "SIGINT");
      assert.match((await running).stderr, /ERROR: {2}canceling statement due to user request/);
    });
  }
});
