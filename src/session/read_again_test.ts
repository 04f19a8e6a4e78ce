import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import { Back, encodeBack, encodeError, encodeTextRow } from "../protocol/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import type { NodeFacts } from "../topology/mod.ts";
import { beginSession, FakeSessionParts } from "./fake_sessions_test.ts";

const { bind, execute, parse, query, sync } = frontend;

/** A primary h1, standbys h2 and h3, of which only `first` serves reads at first, and a session that reads. */
async function rig({ first = "n2", fallback = "primary", intent = "read" } = {}) {
  const parts = new FakeSessionParts(`
clusters: { main: { nodes: [{ name: n1, host: h1 }, { name: n2, host: h2 }, { name: n3, host: h3 }] } }
routing: { default_cluster: main }
pool: { state_check: off }
balance: { max_standby_lag: 0s, max_standby_lag_bytes: 0, read_fallback: ${fallback} }
`);
  const readers = (...names: string[]) => {
    const { serial, clusters } = parts.topology.current;
    const main = clusters.get("main")!;
    const nodes = main.nodes.map((node) => {
      const isStandby = node.name !== "n1";
      const facts = { freshMs: isStandby ? 1e9 : Infinity, timeline: 1, streaming: isStandby } as NodeFacts;
      const role = isStandby ? "standby" as const : "primary" as const;
      return { ...node, role, health: "up" as const, facts, reads: names.includes(node.name) };
    });
    parts.topology.publish({ serial: serial + 1, clusters: new Map([["main", { ...main, nodes }]]) });
    parts.pools.topologyChanged(parts.runtime.clock.nowMs());
  };
  readers(first);
  const { session, client, over } = beginSession(parts, { options: new Map([["intent", intent]]) });
  await until(() => session.greeted && client.stream.written.at(-6) === 0x5a);
  client.said();
  const send = async (...messages: Uint8Array[]) => {
    client.stream.say(...messages);
    await atRest();
    return client.heard();
  };
  /** Whoever was asked this. */
  const asked = (text: string) =>
    parts.cluster.servers.flatMap(({ host, asked }) => asked.filter((one) => one === text).map(() => host))
      .sort().join();
  /** Connections to a server say nothing any more, whatever they are asked. */
  const hang = (host: string) => {
    for (const server of parts.cluster.servers.filter((one) => one.host === host)) {
      server.stream.onWrite = (bytes) => {
        const text = /SELECT '[^']*'/.exec(new TextDecoder("latin1").decode(bytes))?.[0];
        if (text !== undefined) server.asked.push(text);
      };
    }
  };
  /** All connections to it end, behind `last`. */
  const lose = async (host: string, ...last: Uint8Array[]) => {
    for (const { stream } of parts.cluster.servers.filter((one) => one.host === host)) {
      if (last.length > 0) stream.say(...last);
      stream.end();
    }
    await atRest();
    return client.heard();
  };
  const end = async () => {
    client.stream.say(frontend.terminate());
    await over;
    await parts.end();
  };
  return { parts, session, readers, send, asked, hang, lose, end };
}

const FATAL: Uint8Array = encodeError(
  "FATAL",
  new PgplexError("internal", "terminating", { sqlstate: "57P01" }),
);

Deno.test("a read whose standby is lost runs once again, on another one, and its client hears the answer alone", async () => {
  const { readers, send, asked, hang, lose, end } = await rig();
  equal(await send(query("SELECT 'one'")), "TDCZ");
  hang("h2");
  readers("n2", "n3");
  const sent = [query("SELECT 'two'"), concat(parse("SELECT 'three'"), bind(), execute(), sync())];
  const answers = ["TDCZ", "12DCZ"];
  for (const [i, text] of ["SELECT 'two'", "SELECT 'three'"].entries()) {
    readers("n2");
    hang("h2");
    equal(await send(sent[i]!), "");
    readers("n2", "n3");
    // A server that ends says what it had to say before.
    const before = i === 0
      ? [encodeBack(Back.RowDescription, new Uint8Array(2))]
      : [encodeBack(Back.ParseComplete, new Uint8Array(0)), encodeBack(Back.BindComplete, new Uint8Array(0))];
    equal(await lose("h2", concat(...before, FATAL)), answers[i]);
    equal(asked(text), "h2,h3");
    readers("n2");
    equal(await send(query("SELECT 'one'")), "TDCZ");
  }
  await end();
});

Deno.test("a read whose only standby is lost runs on the primary, or waits for another standby", async () => {
  const { send, asked, hang, lose, end } = await rig();
  await send(query("SELECT 'one'"));
  hang("h2");
  equal(await send(query("SELECT 'two'")), "");
  equal(await lose("h2"), "TDCZ");
  equal(asked("SELECT 'two'"), "h1,h2");
  await end();

  const waits = await rig({ fallback: "wait" });
  await waits.send(query("SELECT 'one'"));
  waits.hang("h2");
  await waits.send(query("SELECT 'two'"));
  waits.readers();
  // What the client sends meanwhile comes behind it.
  equal(await waits.lose("h2"), "");
  equal(waits.session.waiting, true);
  equal(await waits.send(query("SELECT 'three'")), "");
  waits.readers("n3");
  equal(await waits.send(), "TDCZTDCZ");
  deepEqual([waits.asked("SELECT 'two'"), waits.asked("SELECT 'three'")], ["h2,h3", "h3"]);
  await waits.end();
});

Deno.test("a read that is lost a second time is not run a third time", async () => {
  const { readers, send, asked, hang, lose, end } = await rig();
  await send(query("SELECT 'one'"));
  readers("n3");
  await send(query("SELECT 'one'"));
  hang("h3");
  readers("n2");
  await send(query("SELECT 'one'"));
  hang("h2");
  await send(query("SELECT 'two'"));
  readers("n2", "n3");
  equal(await lose("h2"), "");
  equal(asked("SELECT 'two'"), "h2,h3");
  match(await lose("h3"), /^\(ERROR 40003 .*\)Z$/);
  equal(asked("SELECT 'two'"), "h2,h3");
  equal(await send(query("SELECT 'three'")), "TDCZ");
  await end();
});

Deno.test("what may have written, was answered in part, or stands in a transaction is not run again", async () => {
  const row = encodeTextRow("1");
  for (
    const [text, heard, last] of [
      // It was answered in part.
      ["SELECT 'two'", /^D\(ERROR 40003 /, row],
      ["BEGIN", /^\(ERROR 40001 /, null],
    ] as const
  ) {
    const { send, asked, hang, lose, end } = await rig();
    await send(query("SELECT 'one'"));
    hang("h2");
    await send(query(text));
    match(await lose("h2", ...last === null ? [] : [last]), heard, text);
    equal(asked(text).includes(","), false, text);
    await end();
  }
  // At the primary, for want of a standby.
  const { readers, send, asked, hang, lose, end } = await rig();
  readers();
  await send(query("SELECT 'one'"));
  hang("h1");
  await send(query("SELECT 'two'"));
  readers("n2");
  match(await lose("h1"), /^\(ERROR 40003 /);
  equal(asked("SELECT 'two'"), "h1");
  await end();
  // In a session that writes.
  const writer = await rig({ intent: "write" });
  await writer.send(query("SELECT 'one'"));
  writer.hang("h1");
  await writer.send(query("SELECT 'two'"));
  match(await writer.lose("h1"), /^\(ERROR 40003 /);
  await writer.end();
});
