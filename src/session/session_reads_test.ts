import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { SeededRandom } from "../kernel/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import type { NodeFacts } from "../topology/mod.ts";
import { beginSession, FakeSessionParts } from "./fake_sessions_test.ts";

const YAML = `clusters: { main: { nodes: [{ name: n1, host: h1 }, { name: n2, host: h2 }] } }
routing: { default_cluster: main }
pool: { state_check: off }
`;

/** A primary h1, a standby h2, and a session at them that says so of its intent. */
async function rig(intent: "read" | "write" | null, balance = "") {
  const parts = new FakeSessionParts(
    `${YAML}balance: { max_standby_lag: 0s, max_standby_lag_bytes: 0${balance} }\n`,
  );
  const { clock } = parts.runtime;
  /** The standby shows what was committed before this time. */
  const fresh = (freshMs: number) => {
    const { serial, clusters } = parts.topology.current;
    const main = clusters.get("main")!;
    const nodes = main.nodes.map((node) => {
      const standby = node.name === "n2";
      const facts = { freshMs: standby ? freshMs : Infinity, timeline: 1, streaming: standby } as NodeFacts;
      return {
        ...node,
        role: standby ? "standby" as const : "primary" as const,
        health: "up" as const,
        facts,
      };
    });
    parts.topology.publish({ serial: serial + 1, clusters: new Map([["main", { ...main, nodes }]]) });
    parts.pools.topologyChanged(clock.nowMs());
  };
  fresh(0);
  const { session, client, over } = beginSession(parts, {
    options: new Map(intent === null ? [] : [["intent", intent]]),
  });
  await until(() => session.greeted && client.stream.written.at(-6) === 0x5a);
  client.said();
  const send = async (...messages: Uint8Array[]) => {
    client.stream.say(...messages);
    await atRest();
    return client.heard();
  };
  /** Runs these; the hosts that were asked, in order, by each text. */
  const run = async (...texts: string[]) => {
    const before = new Map(parts.cluster.servers.map((server) => [server, server.asked.length]));
    await send(...texts.map((text) => frontend.query(text)));
    return texts.map((text) =>
      parts.cluster.servers.filter((server) => server.asked.slice(before.get(server) ?? 0).includes(text))
        .map(({ host }) => host).join("+")
    ).join(" ");
  };
  const end = async () => {
    client.stream.say(frontend.terminate());
    await over;
    await parts.end();
  };
  return { parts, session, clock, fresh, send, run, end };
}

Deno.test("Session: what writes goes to the primary, what reads to a standby, by whatever says so last", async () => {
  const { clock, fresh, run, end } = await rig(null);
  equal(await run("SELECT 1"), "h1");
  fresh(1);
  clock.advance(1);
  equal(await run("/*!pgplex intent=read*/ SELECT 2"), "h2");
  equal(await run("/*!pgplex transaction intent=read*/ begin", "SELECT 3", "commit"), "h2 h2 h2");
  equal(await run("SELECT 4"), "h1");
  await end();
});

Deno.test("Session: a write behind a read that is not answered waits, and both run where they belong", async () => {
  const { run, end } = await rig(null);
  equal(await run("/*!pgplex intent=read*/ SELECT 1", "SELECT 2", "SELECT 3"), "h2 h1 h1");
  await end();
});

Deno.test("Session reads on the primary what it wrote, until a standby shows what was committed later", async () => {
  const { clock, fresh, run, end } = await rig("read");
  clock.advance(10);
  equal(await run("SELECT 1"), "h2");
  equal(await run("/*!pgplex intent=write*/ SELECT 2"), "h1");
  equal(await run("SELECT 3"), "h1");
  fresh(10);
  equal(await run("SELECT 4"), "h1", "the clock may have stood still since the answer");
  fresh(10.5);
  equal(await run("SELECT 5"), "h2");
  await end();
});

Deno.test("Session: reads on the primary for want of a standby are no writes, but what writes by its words is one", async () => {
  const { clock, fresh, run, end } = await rig("read");
  fresh(-Infinity);
  clock.advance(10);
  equal(await run("/*!pgplex intent=write*/ SELECT 1"), "h1");
  clock.advance(10);
  equal(await run("SELECT 2"), "h1");
  fresh(11);
  equal(await run("SELECT 3"), "h2", "the read at 20 does not count");
  fresh(1);
  equal(await run("INSERT INTO t SELECT 4"), "h1");
  fresh(20);
  equal(await run("SELECT 5"), "h1");
  fresh(21);
  equal(await run("SELECT 6"), "h2");
  await end();
});

Deno.test("Session with read_consistency eventual reads on a standby whatever it wrote", async () => {
  const { run, end } = await rig("read", ", read_consistency: eventual");
  equal(await run("/*!pgplex intent=write*/ SELECT 1"), "h1");
  equal(await run("SELECT 2"), "h2");
  await end();
});

Deno.test("Session: what no standby takes goes to the primary in a session that reads", async () => {
  const { clock, fresh, run, end } = await rig("read");
  for (const text of ["VACUUM t", "analyze"]) {
    clock.advance(1);
    fresh(clock.nowMs());
    equal(await run(`SELECT '${text}'`), "h2");
    equal(await run(text), "h1");
  }
  await end();
});

Deno.test("Session with read_only_is_read: a prepared BEGIN READ ONLY says read each time that it runs", async () => {
  const { parts, send, run, end } = await rig(null, ", read_only_is_read: on");
  const { parse, bind, execute, sync } = frontend;
  equal(await send(parse("begin read only", { name: "b" }), sync()), "1Z");
  for (let i = 0; i < 2; i++) {
    await send(bind({ statement: "b" }), execute(), sync());
    equal(await run(`SELECT ${i}`, "commit"), "h2 h2");
  }
  equal(parts.cluster.servers.length, 2);
  await end();
});

Deno.test("Session with read_fallback wait: a read waits for a standby to show what the session wrote", async () => {
  const { clock, fresh, run, session, end } = await rig("read", ", read_fallback: wait");
  clock.advance(10);
  equal(await run("/*!pgplex intent=write*/ SELECT 1"), "h1");
  equal(await run("SELECT 2"), "");
  equal(session.waiting, true);
  fresh(10);
  await atRest();
  equal(session.waiting, true);
  fresh(11);
  await atRest();
  deepEqual([session.waiting, session.destination.waitingCount], [false, 0]);
  await end();
});

Deno.test("Session never reads on a standby what is older than its own write, for an hour of writes, samples and replay at random", async () => {
  const seed = Date.now() & 0xffff;
  const random = new SeededRandom(seed);
  const below = (end: number) => random.u32() % end;
  const { clock, fresh, run, end } = await rig("read");
  let [lsn, replayed, written] = [0, 0, 0];
  const sent: number[] = [];
  const marks: { sentMs: number; lsn: number }[] = [];
  const at = { h1: 0, h2: 0 };
  for (let serial = 0; clock.nowMs() < 3_600_000; serial++) {
    const step = below(24);
    if (step === 0) {
      // The server commits while the clock stands.
      written = ++lsn;
      equal(await run(`/*!pgplex intent=write*/ INSERT INTO t SELECT ${serial}`), "h1");
    } else if (step === 1) lsn++; // somebody else's
    else if (step < 6) sent.push(clock.nowMs());
    else if (step < 10) {
      while (sent.length > 0 && below(4) > 0) marks.push({ sentMs: sent.shift()!, lsn });
    } else if (step < 14) replayed = Math.min(lsn, replayed + below(3));
    else if (step < 18) clock.advance(below(3) * below(2500));
    else {
      const host = await run(`SELECT ${serial}`);
      at[host as keyof typeof at]++;
      if (host === "h2") equal(replayed >= written, true, `seed ${seed}, step ${serial}`);
    }
    fresh(marks.findLast((mark) => mark.lsn <= replayed)?.sentMs ?? -Infinity);
    if (marks.length > 100) marks.shift();
  }
  equal(
    at.h1 > 20 && at.h2 > 20,
    true,
    `seed ${seed}: ${at.h1} reads at the primary, ${at.h2} at the standby`,
  );
  await end();
});
