import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { queriesIn } from "../backend/fake_network_test.ts";
import { fakeServer, FakeStream } from "../backend/fake_server_test.ts";
import { Settings, StatementStore } from "../backend/mod.ts";
import { OPTION_NAMES, type PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { Back, encodeBack, encodeReadyForQuery, encodeTextRow, int32At, TxStatus } from "../protocol/mod.ts";
import { Relay, ToldSettings } from "../relay/mod.ts";
import { messagesIn } from "../servers/fake_cluster_test.ts";
import { BufferPool, Outbox } from "../transport/mod.ts";
import { type FindingsHost, findOptions, takeFindings } from "./findings.ts";
import { Pins } from "./pins.ts";
import type { ProbeResult } from "./probe.ts";

const UTC = Settings.from([["TimeZone", "UTC"]]);

/** A session whose lease on a server has begun, and which is told {@link UTC}. */
function rig({ allowed = OPTION_NAMES as readonly string[], shared = true } = {}) {
  const { server, stream } = fakeServer({ settings: UTC });
  const client = new FakeStream();
  const out = new Outbox(client, new BufferPool());
  const relay = new Relay(out, new StatementStore(), {
    renames: true,
    preparedMax: 200,
    fingerprints: new Fingerprints(),
  });
  const { watch } = relay;
  const told = new ToldSettings(relay, out, null);
  told.greet(UTC);
  told.leaseBegins(server);
  const options = new SessionOptions();
  const pins = new Pins({
    limits: { pool_mode: "transaction", pin_policy: "allow", currval: "pin" } as PoolSettings,
    options,
    watch,
    holdsUnnamed: false,
    nowMs: () => 0,
    warnOfPins() {},
    end() {},
  });
  const heard = { defaults: [] as string[], channels: [] as [readonly string[], boolean][] };
  const host = {
    destination: { key: { cluster: "main" }, settings: { options_allowed: allowed } },
    pools: { defaultsChanged: (cluster: string) => heard.defaults.push(cluster) },
    relay,
    told,
    options,
    pins,
    listening: {
      found: (_: unknown, channels: readonly string[], mayMove: boolean) => {
        heard.channels.push([channels, mayMove]);
        return shared || channels.length === 0;
      },
    },
    refusal: ({ value }: { value: unknown }) =>
      value === "session" ? new PgplexError("option_fixed", "not now") : null,
  } as unknown as FindingsHost;
  const run = (sql: string) => {
    const fingerprint = watch.look(new TextEncoder().encode(sql), 0, sql.length);
    watch.runs(fingerprint);
    return fingerprint;
  };
  /** A probe finds this, besides what is as it was. */
  const find = (found: Partial<ProbeResult> = {}) =>
    takeFindings(host, server, {
      settings: UTC,
      nameIsSet: false,
      sqlStatements: new Map(),
      pins: [],
      reals: new Map(),
      tempSchema: false,
      channels: [],
      channelsAreWritten: true,
      placeholders: [],
      foreignStatements: [],
      ...found,
    });
  /** Messages put for the client. */
  const said = async () => {
    await out.flush();
    return messagesIn(client.taken());
  };
  return { server, stream, relay, told, options, pins, heard, host, run, find, said };
}

Deno.test("takeFindings makes settings that a probe found the session's, as one object for both", async () => {
  const { server, told, find } = rig();
  const settings = UTC.with("work_mem", "8MB");
  await find({ settings });
  deepEqual([server.settings, told.current === server.settings], [settings, true]);
});

Deno.test("takeFindings learns whether what ran changes anything", async () => {
  const { run, find, relay } = rig();
  const select = run("SELECT f()");
  await find();
  deepEqual([select.probes, select.hits], [1, 0]);
  relay.watch.begin();
  run("SELECT f()");
  await find({ settings: UTC.with("work_mem", "8MB") });
  deepEqual([select.probes, select.hits], [2, 1]);
  relay.watch.begin();
  run("SELECT f()");
  await find({ settings: UTC.with("work_mem", "8MB"), pins: ["advisory lock"] });
  deepEqual([select.probes, select.hits], [3, 2]);
});

Deno.test("takeFindings pins the session for what a probe found, and frees it when that is gone", async () => {
  const { pins, find } = rig();
  await find({ pins: ["advisory lock"] });
  deepEqual(pins.reasons, ["advisory lock"]);
  await find();
  deepEqual(pins.reasons, []);
});

Deno.test("takeFindings: under a search_path of pg_temp, who makes the temporary schema is pinned", async () => {
  const settings = UTC.with("search_path", "pg_temp");
  const { server, pins, find } = rig();
  await find({ settings, tempSchema: true });
  deepEqual(pins.reasons, ["temporary object"]);
  await find({ settings, tempSchema: true });
  deepEqual(pins.reasons, ["temporary object"], "it was this session that made it");
  equal(server.state.hasTempSchema, true);
});

Deno.test("takeFindings: a temporary schema pins nobody who finds it there, or has another search_path", async () => {
  const { server, pins, find } = rig();
  await find({ tempSchema: true });
  deepEqual([pins.reasons, server.state.hasTempSchema], [[], true]);
  await find({ settings: UTC.with("search_path", "pg_temp"), tempSchema: true });
  deepEqual(pins.reasons, []);
});

Deno.test("takeFindings pins for channels that no shared listener takes, which knows whether the session may move", async () => {
  const own = rig({ shared: false });
  await own.find({ channels: ["news"] });
  deepEqual([own.pins.reasons, own.heard.channels], [["listen"], [[["news"], true]]]);
  const shared = rig();
  await shared.find({ channels: ["news"], pins: ["advisory lock"] });
  deepEqual([shared.pins.reasons, shared.heard.channels], [["advisory lock"], [[["news"], false]]]);
  const unwritten = rig({ shared: false });
  await unwritten.find({ channels: ["\xe2\x98\x83"], channelsAreWritten: false });
  deepEqual([unwritten.pins.reasons, unwritten.heard.channels], [["listen"], [[["\xe2\x98\x83"], false]]]);
});

Deno.test("takeFindings tells the pools when defaults of later sessions changed", async () => {
  const { heard, relay, run, find } = rig();
  run("SELECT 1");
  await find();
  deepEqual(heard.defaults, []);
  run("ALTER ROLE alice SET work_mem = '1MB'");
  await find();
  deepEqual(heard.defaults, ["main"]);
  relay.watch.begin();
  await find();
  deepEqual(heard.defaults, ["main"]);
});

Deno.test("takeFindings follows options that were SET, and warns of each that may not be, once", async () => {
  const { options, find, said } = rig({ allowed: ["query_timeout", "pool_mode"] });
  const settings = UTC.with("pgplex.query_timeout", "5s").with("pgplex.pool_mode", "session").with(
    "pgplex.query_wait_timeout",
    "9s",
  );
  await find({ settings });
  const limits = options.settings(
    { query_timeout: 0, query_wait_timeout: 1000, pool_mode: "transaction" } as PoolSettings,
  );
  deepEqual([limits.query_timeout, limits.query_wait_timeout, limits.pool_mode], [5000, 1000, "transaction"]);
  deepEqual((await said()).map(({ type, fields }) => [type, fields!.S, fields!.M]), [
    ["N", "WARNING", "not now"],
    ["N", "WARNING", 'permission denied to set parameter "pgplex.query_wait_timeout"'],
  ]);
  await find({ settings });
  deepEqual(await said(), []);
});

Deno.test("takeFindings keeps statements that SQL prepared, and drops those that SQL deallocated", async () => {
  const { server, relay, find } = rig();
  const made = new Map([["a", "PREPARE a AS SELECT 1"], ["b", "PREPARE b AS SELECT 2"]]);
  await find({ sqlStatements: made });
  deepEqual([...relay.sql.texts].map(([name, { sql }]) => [name, sql]), [...made]);
  await find({ sqlStatements: new Map([["b", "PREPARE b AS SELECT 2"]]) });
  deepEqual([[...relay.sql.texts.keys()], [...server.sqlStatements.map.keys()]], [["b"], ["b"]]);
});

Deno.test("takeFindings closes statements that stand under the client's names on the server", async () => {
  const { server, stream, find } = rig();
  const closed: string[] = [];
  stream.onWrite = (bytes) => {
    const text = new TextDecoder("latin1");
    for (let at = 0; at < bytes.length; at += 1 + int32At(bytes, at + 1)) {
      const end = at + 1 + int32At(bytes, at + 1);
      if (bytes[at] === 0x43) closed.push(text.decode(bytes.subarray(at + 5, end)));
    }
    stream.say(encodeBack(Back.CloseComplete, new Uint8Array(0)), encodeReadyForQuery(TxStatus.Idle));
  };
  const reader = server.start();
  await find({ foreignStatements: ["mine"] });
  deepEqual(closed, ["Smine\0"]);
  stream.onWrite = null;
  server.close();
  await reader;
});

Deno.test("findOptions asks for every option in one query, in a transaction that no default of the session fails, and follows what it hears", async () => {
  const { server, stream, options, host } = rig();
  const asked: string[] = [];
  const values = OPTION_NAMES.map((name) => name === "query_timeout" ? "7s" : null);
  const body: number[] = [values.length >> 8, values.length & 255];
  for (const value of values) {
    if (value === null) body.push(255, 255, 255, 255);
    else body.push(0, 0, 0, value.length, ...new TextEncoder().encode(value));
  }
  stream.onWrite = (bytes) => {
    for (const sql of queriesIn(bytes)) {
      asked.push(sql);
      const shown = sql.match(/SHOW/g) ?? [];
      stream.say(...shown.map(() => encodeTextRow("none")));
      if (sql.startsWith("SELECT")) stream.say(encodeBack(Back.DataRow, Uint8Array.from(body)));
      stream.say(encodeReadyForQuery(TxStatus.Idle));
    }
  };
  const reader = server.start();
  await findOptions(host, server);
  deepEqual(asked.slice(1), [
    `SELECT ${OPTION_NAMES.map((name) => `pg_catalog.current_setting('pgplex.${name}', true)`).join(", ")}`,
    "COMMIT",
  ]);
  match(asked[0]!, /^BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY/);
  equal(options.settings({ query_timeout: 0 } as PoolSettings).query_timeout, 7000);
  stream.onWrite = null;
  server.close();
  await reader;
});

Deno.test("takeFindings pins for a real number that SHOW rounds, by the text that set it, until it is another", async () => {
  const { run, find, pins, relay: { watch } } = rig();
  const real = (shown: string) => ({
    settings: UTC.with("seq_page_cost", shown),
    reals: new Map([["seq_page_cost", shown]]),
  });
  run("SET seq_page_cost = 1000.5");
  await find(real("1000.5"));
  deepEqual(pins.reasons, []);
  watch.begin();
  run("SET seq_page_cost = 1000.004");
  await find({ ...real("1000"), pins: ["unrestorable setting"] });
  deepEqual(pins.reasons, ["unrestorable setting"]);
  watch.begin();
  await find(real("1000"));
  deepEqual(pins.reasons, ["unrestorable setting"], "it is what it was");
  watch.begin();
  run("SET seq_page_cost = 3");
  await find(real("3"));
  deepEqual(pins.reasons, []);
});
