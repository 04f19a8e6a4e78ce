import { ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { ModelServer } from "../../tests/harness/model_server.ts";
import { StatementStore } from "../backend/mod.ts";
import { type Random, SeededRandom } from "../kernel/mod.ts";
import { Rig, RigServer } from "../../tests/harness/rig.ts";
import { type Script, scripts } from "../../tests/harness/script.ts";

/** A session and what its client would have heard of a server of its own. */
interface Subject {
  readonly rig: Rig;
  /** Bytes that the client has not sent yet. */
  unsent: Uint8Array;
  /** Where the client waits: it sends no byte from `at` on before it has heard `heard` bytes. */
  readonly gates: { readonly at: number; readonly heard: number }[];
  sent: number;
  readonly expected: Uint8Array;
}

/** A server and what is on its way to and from it. */
interface Node {
  readonly server: RigServer;
  readonly model: ModelServer;
  toServer: Uint8Array;
  fromServer: Uint8Array;
}

function subjectOf(script: Script, rig: Rig): Subject {
  const direct = new ModelServer({ pooled: rig.relay.renames });
  const gates: Subject["gates"] = [];
  let [sent, heard] = [new Uint8Array(0), new Uint8Array(0)];
  for (const { bytes, waits } of script) {
    if (waits) gates.push({ at: sent.length, heard: heard.length });
    sent = Uint8Array.from([...sent, ...bytes]);
    heard = Uint8Array.from([...heard, ...direct.receive(bytes)]);
  }
  return { rig, unsent: sent, gates, sent: 0, expected: heard };
}

/** How many bytes this client may send now. */
function allowance({ rig, gates, sent, unsent }: Subject): number {
  const closed = gates.find(({ at, heard }) => at >= sent && rig.out.bytes.length < heard);
  return closed === undefined ? unsent.length : closed.at - sent;
}

/** Runs everything that can happen, in an order and in pieces that `random` chooses, until nothing can any more. */
async function run(subjects: readonly Subject[], nodes: readonly Node[], random: Random): Promise<void> {
  const piece = (bytes: Uint8Array) => {
    const scale = [3, 20, 700, 20_000][random.u32() % 4]!;
    return bytes.subarray(0, 1 + random.u32() % scale);
  };
  for (let steps = 0;; steps++) {
    ok(steps < 1_000_000, "a run ends");
    const able: (() => Promise<void>)[] = [];
    for (const subject of subjects) {
      const { rig } = subject;
      const allowed = allowance(subject);
      if (rig.waiting === "bytes" && allowed > 0) {
        able.push(async () => {
          const chunk = piece(subject.unsent.subarray(0, allowed));
          const rest = await rig.say(chunk);
          subject.sent += chunk.length - rest.length;
          subject.unsent = subject.unsent.subarray(chunk.length - rest.length);
        });
      }
      if (rig.waiting === "lease" && nodes.some(({ server }) => server.holder === null)) {
        able.push(() => rig.resume());
      }
    }
    for (const node of nodes) {
      const written = node.server.stream.taken();
      if (written.length > 0) node.toServer = Uint8Array.from([...node.toServer, ...written]);
      if (node.toServer.length > 0) {
        able.push(() => {
          const chunk = piece(node.toServer);
          node.toServer = node.toServer.subarray(chunk.length);
          node.fromServer = Uint8Array.from([...node.fromServer, ...node.model.receive(chunk)]);
          return Promise.resolve();
        });
      }
      if (node.fromServer.length > 0) {
        able.push(async () => {
          const chunk = piece(node.fromServer);
          node.fromServer = node.fromServer.subarray(chunk.length);
          await node.server.say(chunk);
        });
      }
    }
    if (able.length === 0) return;
    await able[random.u32() % able.length]!();
  }
}

/** Bytes as text that a person can compare. */
function show(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte}`)
    .join("");
}

function differential(
  options: { renames: boolean; sessions: number; servers: number; preparedMax?: number },
) {
  return fc.asyncProperty(
    fc.array(scripts, { minLength: options.sessions, maxLength: options.sessions }),
    fc.integer(),
    fc.constantFrom(512, 600, 16_384),
    async (all, seed, large) => {
      const random = new SeededRandom(seed);
      const statements = new StatementStore();
      const nodes: Node[] = Array.from({ length: options.servers }, (_, id) => ({
        server: new RigServer({ id, statements }),
        model: new ModelServer({ pooled: options.renames }),
        toServer: new Uint8Array(0),
        fromServer: new Uint8Array(0),
      }));
      const acquire = () => {
        const idle = nodes.filter(({ server }) => server.holder === null);
        return idle.length === 0 ? null : idle[random.u32() % idle.length]!.server;
      };
      const { renames, preparedMax = 200 } = options;
      const subjects = all.map((script) =>
        subjectOf(script, new Rig({ statements, renames, acquire, large, preparedMax }))
      );
      await run(subjects, nodes, random);
      for (const { rig, expected, unsent } of subjects) {
        equal(show(rig.out.bytes), show(expected));
        equal(unsent.length, 0);
        if (renames) equal(rig.server, null, "no lease is left");
      }
      for (const { server, model } of nodes) {
        const { owed, txStatus, prepared } = server.connection;
        equal(owed.settled, true);
        equal(owed.skipping, model.skipping);
        equal(String.fromCharCode(txStatus), model.status);
        if (!renames) continue;
        equal(prepared.size, [...model.statements.keys()].filter((name) => name !== "").length);
      }
      for (const { rig } of subjects) rig.relay.names.clear();
      for (const { server } of nodes) server.connection.prepared.clear();
      equal(statements.size, 0, "every statement is released");
    },
  );
}

Deno.test("the relay answers as a server of one's own would, in transaction pooling, whatever comes in which pieces", async () => {
  await fc.assert(differential({ renames: true, sessions: 1, servers: 2 }), { numRuns: 300 });
});

Deno.test("the relay keeps sessions apart that share server connections", async () => {
  await fc.assert(differential({ renames: true, sessions: 3, servers: 2 }), { numRuns: 150 });
});

Deno.test("the relay keeps to few prepared statements on a server connection", async () => {
  await fc.assert(differential({ renames: true, sessions: 2, servers: 1, preparedMax: 1 }), { numRuns: 150 });
});

Deno.test("the relay answers as a server of one's own would, in session pooling", async () => {
  await fc.assert(differential({ renames: false, sessions: 2, servers: 2 }), { numRuns: 200 });
});
