import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { ModelServer } from "../../../tests/harness/model_server.ts";
import { StatementStore } from "../../backend/mod.ts";
import { PoolCounters } from "../../telemetry/mod.ts";
import type { ChannelLender } from "../channel_lender.ts";
import { Rig, RigServer } from "../../../tests/harness/rig.ts";

const { bind, concat, describe, execute, flush, parse, query, sync } = frontend;

/** A session in transaction pooling on one server. */
interface Played {
  readonly rig: Rig;
  /** Says something, which is answered. */
  readonly say: (bytes: Uint8Array) => Promise<void>;
}

interface Case {
  /** What is said and answered before, one after the other. */
  readonly before?: readonly Uint8Array[];
  /** What is said before, and not answered when the batch comes. */
  readonly pending?: readonly Uint8Array[];
  /** What holds when the batch comes. */
  readonly prepare?: (played: Played) => Promise<void> | void;
  /** The batch's messages, taken in one step and one by one. */
  readonly batch: readonly Uint8Array[];
  /** The server would end the connection. */
  readonly ends?: boolean;
}

const select = "SELECT 1";
const table = `SELECT * FROM ${"x".repeat(600)}`;
const plainOf = (sql: string) => [parse(sql), bind(), describe("P"), execute(), sync()];
const plain = plainOf(select);
/** As one piece, which is taken in one step. */
const step = concat(plain);
/** Reads a sequence where a backslash is a character like any other. */
const backslash = "SELECT 'a\\' , lastval() --'";
const lender: ChannelLender = {
  wants: () => true,
  before: ({ out }) => out.put(flush()),
  beforeSync: ({ out }) => out.put(flush()),
  discarded() {},
};

const cases: Readonly<Record<string, Case>> = {
  "five messages": { batch: plain },
  "no Describe": { batch: [parse(select), bind(), execute(), sync()] },
  "values": { batch: [parse(select, { types: [23] }), bind({ values: ["1", null] }), execute(), sync()] },
  "the same text again": { before: [step, step], batch: plain },
  "another text": { before: [step], batch: plainOf(table) },
  "a text that came by itself": { before: [step, ...plainOf(table)], batch: plainOf(table) },
  "the same text behind a query": { before: [step, query(select)], batch: plain },
  "the same text read otherwise": {
    prepare: async ({ rig, say }) => {
      await say(query(backslash));
      rig.relay.watch.readBackslashes(true);
      await say(query(backslash));
      await say(concat(plainOf(backslash)));
      rig.relay.watch.readBackslashes(false);
    },
    batch: plainOf(backslash),
  },
  "another text of the same length": { before: [step], batch: plainOf("SELECT a") },
  "a text too long to be looked at": {
    before: [parse(`${table} -- ${"y".repeat(20_000)}`, { name: "s" })],
    batch: plainOf(`${table} -- ${"x".repeat(17_000)}`),
  },
  "two batches": { batch: [...plain, ...plain] },
  "a text that nothing is known of": { batch: plainOf("SELECT unheard_of") },
  "a text that sets something": {
    before: [query("SET a = 1")],
    batch: plainOf("SET a = 1"),
  },
  "a text that begins a transaction": {
    before: [query("begin")],
    batch: plainOf("begin"),
  },
  "a text that names a statement": {
    before: [parse(select, { name: "s" }), sync(), query("EXECUTE s")],
    batch: plainOf("EXECUTE s"),
  },
  "a text that reads sequences": {
    before: [query("SELECT lastval()")],
    prepare: ({ rig }) => {
      rig.sequencesForeign = true;
    },
    batch: plainOf("SELECT lastval()"),
  },
  "a text that does not parse": { batch: plainOf("SELECT bad") },
  "a text that fails": { batch: plainOf("SELECT fail") },
  "a text behind a comment": { batch: plainOf("/* a */ SELECT 1") },
  "a text without its end": {
    batch: [frontend.message("P", frontend.text("\0SELECT 1")), ...plain.slice(1)],
  },
  "a named statement": { batch: [parse(select, { name: "s" }), bind({ statement: "s" }), ...plain.slice(2)] },
  "a Bind of a named statement": {
    before: [parse("SELECT 'another'", { name: "s" }), sync()],
    batch: [parse(select), bind({ statement: "s" }), ...plain.slice(2)],
  },
  "a named portal": {
    batch: [parse(select), bind({ portal: "p" }), describe("P", "p"), execute({ portal: "p" }), sync()],
  },
  "a Describe of the statement": { batch: [parse(select), bind(), describe("S"), execute(), sync()] },
  "a Describe of another portal": { batch: [parse(select), bind(), describe("P", "p"), execute(), sync()] },
  "an Execute of another portal": { batch: [parse(select), bind(), execute({ portal: "p" }), sync()] },
  "no Sync": { batch: [parse(select), bind(), execute(), flush()] },
  "a Bind that is too short": { batch: [parse(select), frontend.message("B", frontend.text("\0")), sync()] },
  "the client behind its own Close": { before: [frontend.close("S", "")], batch: plain },
  "a batch that is open": { before: [parse(select, { name: "s" }), flush()], batch: plain },
  "a batch on its way": { pending: plain, batch: plain },
  "a batch on its way that fails": { pending: plainOf("SELECT bad"), batch: plain },
  "a query on its way": { pending: [query(select)], batch: plain },
  "the server skips": { before: [parse("SELECT bad"), flush()], batch: [...plain, ...plain] },
  "an aborted transaction": { before: [query("begin"), query("fail")], batch: plain },
  "a transaction": { before: [query("begin")], batch: [...plain, query("commit")] },
  "the client was told of the statement before": {
    before: [parse("SELECT 'another'"), describe("S"), sync()],
    batch: plain,
  },
  "a portal of a statement that was bound before": {
    before: [parse("SELECT 'another'", { name: "s" }), bind({ statement: "s" }), flush()],
    batch: plain,
  },
  "application_name may be reset": {
    prepare: ({ rig }) => {
      rig.relay.loginName.greeted("a");
      rig.relay.loginName.wasReset();
    },
    before: [query("begin")],
    batch: plain,
  },
  "messages of pgplex's own go between": {
    before: [query("begin")],
    prepare: ({ rig }) => {
      rig.relay.preamble.lendBy(lender);
    },
    batch: plain,
  },
  "the portal of a SHOW": {
    before: [query("begin"), concat([parse("SHOW pgplex.tag"), bind(), sync()])],
    batch: [...plain, describe("P"), execute(), sync()],
  },
  "a COPY, which it ends": { before: [query("copyin")], pending: [sync()], batch: plain, ends: true },
  "a statement with options of its own before": {
    pending: [query("--!pgplex tag=a\nSELECT 1")],
    batch: plain,
  },
  "options of its own": { batch: plainOf("--!pgplex tag=a\nSELECT 1") },
};

/** Plays one case; `whole`: the batch is said at once. What is seen of it behind the batch, and behind the replies. */
async function play(
  { before = [], pending = [], prepare, batch, ends = false }: Case,
  whole: boolean,
): Promise<unknown[]> {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  const model = new ModelServer({ pooled: true });
  const acquire = () => server.holder === null ? server : null;
  const rig = new Rig({ statements, renames: true, directives: "warn", large: 1 << 16, acquire });
  const sent: string[] = [];
  const answer = async () => {
    for (;;) {
      const bytes = server.stream.taken();
      if (bytes.length === 0) return;
      sent.push(String.fromCharCode(...bytes));
      await server.say(model.receive(bytes));
    }
  };
  const say = async (bytes: Uint8Array) => {
    await rig.say(bytes);
    await answer();
  };
  for (const bytes of before) await say(bytes);
  if (pending.length > 0) await rig.say(concat([...pending]));
  await prepare?.({ rig, say });
  const { relay } = rig;
  const { progress } = relay;
  const counters = new PoolCounters();
  const counted = () => {
    relay.counts.collect(counters);
    const { clientParses, binds, queries, xacts } = counters;
    return [clientParses, binds, queries, xacts];
  };
  const seen = () => ({
    waiting: rig.waiting,
    blocked: rig.clientScan.blocked,
    toClient: String.fromCharCode(...rig.out.taken()),
    unnamed: String.fromCharCode(...relay.names.unnamed.body ?? []),
    told: relay.names.unnamed.told,
    holds: relay.names.unnamed.holds,
    text: relay.names.unnamed.fingerprint.traits.text,
    ran: relay.watch.ran.map(({ traits, seen }) => [traits.text, seen]),
    counts: counted(),
    options: [rig.host.options.forStatement, rig.steering.active],
    open: [progress.openBatch, progress.batchSent, progress.midMessage, progress.boundary, progress.quiet],
    held: [rig.server !== null, rig.leases, relay.onServer.hasUnnamed(server.connection)],
    inFlight: server.connection.unnamed.doubtful(-1),
    owed: owedOf(server),
  });
  let unread = new Uint8Array(0);
  if (whole) unread = Uint8Array.from(await rig.say(concat([...batch])));
  else for (const message of batch) unread = Uint8Array.from(await rig.say(concat([unread, message])));
  const behind = seen();
  if (ends) return [behind, String.fromCharCode(...server.stream.taken())];
  await answer();
  await rig.say(unread);
  await answer();
  const ended = seen();
  await rig.say(concat([bind(), execute(), sync()]));
  await answer();
  return [behind, ended, seen(), sent.join("")];
}

function owedOf(server: RigServer): unknown[] {
  const { owed } = server.connection;
  return [owed.length, owed.peek(), owed.readies, owed.batch, owed.midBatch, owed.skipping, owed.lastKind()];
}

for (const [name, played] of Object.entries(cases)) {
  Deno.test(`a batch taken in one step leaves what its messages leave one by one: ${name}`, async () => {
    deepEqual(await play(played, true), await play(played, false));
  });
}

Deno.test("the batch that most drivers send is taken in one step, again and again", async () => {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  const rig = new Rig({ statements, renames: true, acquire: () => server.holder === null ? server : null });
  const { owed } = server.connection;
  let steps = 0;
  const sentBatch = owed.sentBatch.bind(owed);
  owed.sentBatch = (effect, describes) => {
    steps++;
    sentBatch(effect, describes);
  };
  const model = new ModelServer({ pooled: true });
  for (const text of [select, select, "SELECT 'another'", select]) {
    await rig.say(concat([parse(text), ...plain.slice(1)]));
    await server.say(model.receive(server.stream.taken()));
  }
  equal(steps, 4);
});
