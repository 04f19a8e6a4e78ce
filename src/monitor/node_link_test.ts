import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Secret } from "../config/mod.ts";
import { FakeNodes, rowOf } from "./fake_node_test.ts";
import { type NodeAccess, NodeLink } from "./node_link.ts";
import type { Outcome } from "./outcome.ts";

const TLS = {
  mode: "disable",
  protocols: ["TLSv1.2", "TLSv1.3"],
  ca_file: null,
  cert_file: null,
  key_file: null,
  ca_pem: null,
  cert_pem: null,
  key_pem: null,
} as const;
const ACCESS: NodeAccess = {
  superuser: {
    user: "watcher",
    database: "postgres",
    password: new Secret("secret"),
    password_file: null,
    password_env: null,
  },
  tls: TLS,
  monitor: {
    interval: 1000,
    connect_timeout: 2000,
    query_timeout: 1500,
    failure_timeout: 3000,
    failure_confirm: 300,
    primary_start_timeout: 30000,
  },
};

function rig() {
  const nodes = new FakeNodes();
  let lost = 0;
  const link = new NodeLink({ name: "n1", host: "h1", port: 5432 }, {
    access: () => ACCESS,
    runtime: nodes.runtime,
    lost: () => lost++,
  });
  return { nodes, node: nodes.at("h1"), link, lostCount: () => lost };
}

const short = (outcome: Outcome) =>
  outcome.kind === "answered" ? "answered" : `${outcome.kind}: ${outcome.reason}`;

Deno.test("NodeLink asks on one connection, by a prepared statement, with its own name", async () => {
  const { node, nodes, link } = rig();
  node.row = rowOf({ lsn: "0/3000200" });
  const outcome = await link.ask();
  equal(outcome.kind === "answered" && outcome.answer.lsn, 0x300_0200n);
  for (let count = 0; count < 3; count++) equal(short(await link.ask()), "answered");
  equal(nodes.runtime.network.endpoints.length, 1);
  const written = new TextDecoder("latin1").decode(node.streams[0]!.taken());
  equal(written.includes("application_name\0pgplex monitor\0"), true);
  deepEqual([written.split("pg_walfile_name").length, written.split("pgplex_monitor").length], [2, 6]);
  link.close();
});

Deno.test("NodeLink asks how busy the host is where the schema tells it, and takes any answer to that", async () => {
  const { node, link } = rig();
  const loadOf = async () => {
    const outcome = await link.ask();
    return outcome.kind === "answered" ? [outcome.answer.hasSchema, outcome.answer.load] : outcome;
  };
  deepEqual(await loadOf(), [false, null]);
  node.row = rowOf({ readsLoad: "t" });
  for (const [load, known] of [["0.75", 0.75], [null, null], ["no", null]] as const) {
    node.load = load;
    deepEqual(await loadOf(), [true, known]);
  }
  node.loadError = "42P01";
  deepEqual(await loadOf(), [true, null]);
  link.close();
});

Deno.test("NodeLink gives up who takes a connection and says nothing, and closes the socket", async () => {
  const { node, nodes, link } = rig();
  node.login = "mute";
  const asking = link.ask();
  await nodes.advance(2000);
  equal((await asking).kind, "silent");
  equal(node.streams[0]!.closed, true);
  equal(nodes.runtime.clock.pending, 0);
});

Deno.test("NodeLink gives up who does not answer in time, and asks on another connection next", async () => {
  const { node, nodes, link } = rig();
  equal(short(await link.ask()), "answered");
  node.row = null;
  const asking = link.ask();
  await nodes.advance(1500);
  equal(short(await asking), "silent: no answer within 1500 ms");
  await nodes.rest();
  equal(node.streams[0]!.closed, true);
  node.row = rowOf();
  equal(short(await link.ask()), "answered");
  equal(node.streams.length, 2);
  link.close();
});

Deno.test("NodeLink does not hold it against a node that pgplex itself stood still", async () => {
  const { node, nodes, link } = rig();
  equal(short(await link.ask()), "answered");
  node.row = null;
  const { clock } = nodes.runtime;
  const timeOf = clock.nowMs.bind(clock);
  let stoodMs = 0;
  clock.nowMs = () => timeOf() + stoodMs;
  const asking = link.ask();
  await nodes.rest();
  stoodMs += 60_000;
  await nodes.advance(1500);
  equal(node.streams[0]!.closed, false);
  node.answer();
  equal(short(await asking), "answered");
  equal(clock.pending, 0);
  const again = link.ask();
  stoodMs += 60_000;
  await nodes.advance(3000);
  equal(short(await again), "silent: no answer within 1500 ms");
});

Deno.test("NodeLink takes a connection that was lost for nothing: what the next login says counts", async () => {
  const { node, nodes, link, lostCount } = rig();
  equal(short(await link.ask()), "answered");
  node.streams[0]!.end();
  await nodes.rest();
  equal(lostCount(), 1);
  equal(short(await link.ask()), "answered");
  node.row = null;
  const asking = link.ask();
  await nodes.rest();
  node.login = "refused";
  node.streams[1]!.end();
  equal((await asking).kind, "refused");
});

Deno.test("NodeLink says what a server says that takes nobody, or not pgplex", async () => {
  const { node, link } = rig();
  for (const [login, kind] of [["57P03", "starting"], ["28P01", "denied"], ["refused", "refused"]] as const) {
    node.login = login;
    equal((await link.ask()).kind, kind);
  }
  node.login = "up";
  node.error = "42501";
  equal(short(await link.ask()), "denied: no (42501)");
  node.error = null;
  node.row = ["1"];
  equal(short(await link.ask()), "denied: it gives an answer that makes no sense");
  link.close();
});

Deno.test("NodeLink leaves nothing open when it is closed, also in the middle of a login", async () => {
  const { node, nodes, link } = rig();
  node.login = "mute";
  const asking = link.ask();
  await nodes.rest();
  link.close();
  await nodes.advance(2000);
  await asking;
  equal(node.streams.every(({ closed }) => closed), true);
  equal(nodes.runtime.clock.pending, 0);
});
