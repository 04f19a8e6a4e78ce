import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Settings } from "../backend/mod.ts";
import { OPTION_NAMES, type PoolSettings } from "../config/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { factsOf } from "./fake_sessions_test.ts";
import { describeOptions, describeSession, optionOf } from "./session_description.ts";
import type { SessionView } from "./session_view.ts";

const VIEW = {
  facts: factsOf({ id: 7, database: "shop", minor: 2 }),
  destination: { key: { cluster: "main", database: "shop_v2" } },
  node: "n1",
  poolMode: "transaction",
  server: null,
  pins: [],
  preparedCount: 3,
  settings: null,
  connectedMs: 1000,
};

const described = (view: Partial<Record<keyof SessionView, unknown>> = {}, nowMs = 2500) =>
  new Map(describeSession({ ...VIEW, ...view } as unknown as SessionView, nowMs));

const POOL = { query_timeout: 5000, pool_mode: "transaction", pin_policy: "allow" } as PoolSettings;
const optioned = () => ({
  options: new SessionOptions(new Map([["query_timeout", 100]])),
  poolSettings: {
    ...POOL,
    query_wait_timeout: 0,
    client_idle_timeout: 0,
    pin_timeout: 0,
    state_check: "learn",
  } as PoolSettings,
});

Deno.test("describeSession tells a client of itself, and null for what does not apply", () => {
  deepEqual([...described()], [
    ["id", "7"],
    ["user", "alice"],
    ["database", "shop"],
    ["cluster", "main"],
    ["node", "n1"],
    ["server_database", "shop_v2"],
    ["pool_mode", "transaction"],
    ["server_pid", null],
    ["pins", null],
    ["prepared_statements", "3"],
    ["application_name", ""],
    ["tls", null],
    ["protocol", "3.2"],
    ["connected_for", "1.500s"],
  ]);
});

Deno.test("describeSession tells of the server connection, of pins, and of a name in any language", () => {
  const { server } = fakeServer();
  const session = described({
    server,
    pins: ["load", "advisory lock"],
    settings: Settings.from([["application_name", "caf\xc3\xa9"]]),
    facts: factsOf({ tls: "TLSv1.3/AES" }),
  });
  deepEqual(["server_pid", "pins", "application_name", "tls"].map((name) => session.get(name)), [
    "1",
    "load, advisory lock",
    "café",
    "TLSv1.3/AES",
  ]);
  equal(described({ server: { identity: { key: null } } }).get("server_pid"), null);
});

Deno.test("describeOptions tells each option's value, where that is from, and what it is for", () => {
  const rows = describeOptions(optioned());
  deepEqual(rows.map(([name]) => name), [...OPTION_NAMES]);
  const source = (wanted: string) => rows.find(([name]) => name === wanted)!.slice(1, 3);
  deepEqual([source("query_timeout"), source("pool_mode")], [["100ms", "client"], ["transaction", "pool"]]);
  for (const [name, , , doc] of rows) equal(doc !== "" && !doc.includes("`"), true, name);
});

Deno.test("optionOf is what holds now, as SHOW prints it", () => {
  const session = optioned();
  equal(optionOf(session, "query_timeout"), "100ms");
  session.options.setForTransaction("query_timeout", 2000);
  equal(optionOf(session, "query_timeout"), "2s");
});
