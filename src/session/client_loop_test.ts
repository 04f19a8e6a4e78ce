import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { ModelServer } from "../../tests/harness/model_server.ts";
import { Rig, RigServer } from "../../tests/harness/rig.ts";
import { fakeServer, FakeStream } from "../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../backend/mod.ts";
import { PgplexError, VirtualClock } from "../kernel/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { Need, Relay } from "../relay/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { PoolControl } from "../servers/mod.ts";
import { BufferPool, LARGE_BUFFER_BYTES, Outbox, SMALL_BUFFER_BYTES } from "../transport/mod.ts";
import { ClientBuffer } from "./client_buffer.ts";
import { ClientLoop, type ClientLoopHost, type ClientLoopParts } from "./client_loop.ts";

/**
 * A loop over messages of one byte each: `L` needs a lease, as does the `Q` of a query, `R` needs replies first, `X` ends the session, `?` is no message, and
 * any other is taken.
 */
function rig({ greeted = true } = {}) {
  const clock = new VirtualClock();
  const control = new PoolControl();
  const stream = new FakeStream();
  const input = new ClientBuffer(new BufferPool(), stream);
  const out = new Outbox(new FakeStream(), new BufferPool());
  const relay = new Relay(out, new StatementStore(), {
    renames: true,
    preparedMax: 1,
    fingerprints: new Fingerprints(),
  });
  const times = { cancelling: null as Promise<void> | null };
  const heard: string[] = [];
  const lease = {
    held: false,
    error: null as PgplexError | null,
    grant: null as (() => void) | null,
    obtain(): Promise<void> | null {
      heard.push("obtain");
      return new Promise((resolve) => this.grant = resolve);
    },
  };
  const scan = {
    need: Need.Bytes as Need,
    wanted: 0,
    blocked: false,
    atMessageStart: true,
    failing: false,
    taken: 0,
    scan(bytes: Uint8Array, start: number, end: number): number {
      this.need = Need.Bytes;
      for (let at = start; at < end; at++) {
        const type = String.fromCharCode(bytes[at]!);
        if (type === "X") this.need = Need.End;
        if ((type === "L" || type === "Q") && !lease.held && !this.failing) this.need = Need.Lease;
        if (type === "R" && this.blocked) this.need = Need.Replies;
        if (type === "?") throw new PgplexError("protocol_violation", "no message");
        if (this.need !== Need.Bytes) return at;
        this.failing = false;
        this.taken++;
      }
      return end;
    },
  };
  const host = {
    ending: false as boolean,
    greeted,
    sinceMs: 0,
    bytes: 0,
    turns: 0,
    came: (bytes: number) => void (host.bytes += bytes),
    settle: () => void heard.push("settle"),
    failPending: (type: number, { code }: PgplexError) => {
      heard.push(`${String.fromCharCode(type)} fails: ${code}`);
      scan.failing = true;
    },
    sayNothing() {},
    left: () => void heard.push("left"),
    turn: () => Promise.resolve(void host.turns++),
    inDoubt: null,
  } satisfies ClientLoopHost & Record<string, unknown>;
  const parts = {
    clock,
    control,
    input,
    out,
    relay,
    scan,
    lease,
    times,
    work: { sent() {}, asks() {}, leased() {} },
  };
  const loop = new ClientLoop(parts as unknown as ClientLoopParts, host);
  const say = (text: string) => stream.say(new TextEncoder().encode(text));
  let over = false;
  const serve = () => loop.serve().finally(() => over = true);
  return {
    clock,
    control,
    stream,
    input,
    relay,
    lease,
    scan,
    times,
    host,
    loop,
    heard,
    say,
    serve,
    isOver: () => over,
  };
}

Deno.test("ClientLoop takes what came with the login, then what it reads, and counts that", async () => {
  const { input, scan, host, loop, say, serve } = rig();
  input.fill(new TextEncoder().encode("ab"));
  say("cde");
  say("fX");
  await serve();
  deepEqual([scan.taken, host.bytes, loop.rests], [6, 5, false]);
});

Deno.test("ClientLoop rejects with what the scan throws", async () => {
  const { say, serve } = rig();
  say("a?");
  await rejects(serve(), { code: "protocol_violation" });
});

Deno.test("ClientLoop asks for a lease, and takes the message when it has one", async () => {
  const { lease, scan, heard, say, serve } = rig();
  say("LLX");
  const served = serve();
  await until(() => lease.grant !== null);
  equal(scan.taken, 0);
  lease.held = true;
  lease.grant!();
  await served;
  deepEqual([scan.taken, heard], [2, ["obtain"]]);
});

Deno.test("ClientLoop fails the message at hand where no lease is to be had, and goes on", async () => {
  const { lease, scan, heard, say, serve } = rig();
  say("aLbX");
  const served = serve();
  await until(() => lease.grant !== null);
  lease.error = new PgplexError("query_wait_timeout", "late");
  lease.grant!();
  await served;
  deepEqual([scan.taken, heard], [3, ["obtain", "L fails: query_wait_timeout"]]);
});

Deno.test("ClientLoop lets pass what takes back settings that were lost, and fails anything else", async () => {
  for (const sql of ["reset role", "rollback", "select 1"]) {
    const { stream, lease, heard, say, serve } = rig();
    stream.say(frontend.query(sql));
    say("X");
    const served = serve();
    await until(() => lease.grant !== null);
    lease.error = new PgplexError("settings_lost", "lost");
    const { grant } = lease;
    lease.grant = null;
    grant!();
    await until(() => lease.grant !== null || heard.length > 1);
    if (sql === "select 1") deepEqual(heard, ["obtain", "Q fails: settings_lost"], sql);
    else {
      deepEqual(heard, ["obtain", "obtain"], sql);
      lease.error = null;
      lease.held = true;
      lease.grant!();
    }
    await served;
  }
});

Deno.test("ClientLoop fails also what takes back settings where no server is to be had", async () => {
  const { stream, lease, heard, say, serve } = rig();
  stream.say(frontend.query("reset role"));
  say("X");
  const served = serve();
  await until(() => lease.grant !== null);
  lease.error = new PgplexError("state_lost", "lost");
  lease.grant!();
  await served;
  deepEqual(heard, ["obtain", "Q fails: state_lost"]);
});

Deno.test("ClientLoop waits for replies until it is woken and they have come", async () => {
  const { scan, loop, say, serve } = rig();
  scan.blocked = true;
  say("aRX");
  const served = serve();
  await until(() => loop.sleeps);
  loop.wake();
  await atRest();
  deepEqual([scan.taken, loop.sleeps], [1, true]);
  scan.blocked = false;
  loop.wake();
  await served;
  equal(scan.taken, 2);
});

Deno.test("ClientLoop gives way behind sixteen full reads in a row, and not where one of them was not full", async () => {
  const full = SMALL_BUFFER_BYTES + 15 * LARGE_BUFFER_BYTES;
  for (
    const [bytes, turns] of [[full - 1, 0], [full, 1], [full + 15 * LARGE_BUFFER_BYTES, 1], [
      full + 16 * LARGE_BUFFER_BYTES,
      2,
    ]] as const
  ) {
    const { host, scan, say, serve } = rig();
    say("a".repeat(bytes));
    say("X");
    await serve();
    deepEqual([host.turns, scan.taken], [turns, bytes]);
  }
});

Deno.test("ClientLoop reads no further while clients are suspended", async () => {
  const { control, scan, loop, say, serve } = rig();
  say("a");
  const served = serve();
  await until(() => scan.taken === 1);
  control.mode = "suspended";
  say("b");
  await until(() => loop.sleeps);
  say("X");
  await atRest();
  equal(scan.taken, 1);
  control.mode = "none";
  await served;
  equal(scan.taken, 2);
});

Deno.test("ClientLoop ends in a suspension with its session, and takes nothing any more", async () => {
  const { control, host, loop, scan, say, serve } = rig();
  control.mode = "suspended";
  say("aX");
  const served = serve();
  await until(() => loop.sleeps);
  loop.wake();
  await atRest();
  equal(loop.sleeps, true);
  host.ending = true;
  loop.wake();
  await served;
  equal(scan.taken, 0);
});

Deno.test("ClientLoop sends nothing while a cancel is on its way that it could meet", async () => {
  const { times, scan, say, serve } = rig();
  const cancel = Promise.withResolvers<void>();
  times.cancelling = cancel.promise;
  say("aX");
  const served = serve();
  await atRest();
  equal(scan.taken, 0);
  times.cancelling = null;
  cancel.resolve();
  await served;
  equal(scan.taken, 1);
});

Deno.test("ClientLoop ends with a client that ends its side, where nothing is owed", async () => {
  const { stream, scan, heard, say, serve } = rig();
  say("a");
  stream.end();
  await serve();
  deepEqual([scan.taken, heard], [1, []]);
});

Deno.test("ClientLoop waits for the last replies to a client that ends its side", async () => {
  const { stream, relay, loop, heard, serve, isOver } = rig();
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  server.owed.sent(Owed.Query);
  stream.end();
  const served = serve();
  await until(() => loop.sleeps);
  server.owed.clear();
  await atRest();
  equal(isOver(), false);
  loop.wake();
  await served;
  deepEqual(heard, []);
  loop.close();
});

Deno.test("ClientLoop does not wait for what the server cannot answer: a batch without Sync, a query of which half came", async () => {
  for (const [kind, midMessage] of [[Owed.Execute, false], [Owed.Query, true]] as const) {
    const { stream, relay, loop, serve } = rig();
    const { server } = fakeServer();
    relay.leaseBegins(server, false);
    if (midMessage) relay.progress.messageBegins();
    server.owed.sent(kind);
    stream.end();
    await serve();
    loop.close();
  }
});

Deno.test("ClientLoop gives up a client that ended its side and takes nothing for three seconds", async () => {
  const { clock, stream, relay, heard, loop, serve, isOver } = rig();
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  server.owed.sent(Owed.Query);
  stream.end();
  const served = serve();
  await until(() => loop.sleeps);
  clock.advance(3099);
  await atRest();
  equal(isOver(), false);
  clock.advance(1);
  await served;
  deepEqual(heard, ["left"]);
});

Deno.test("ClientLoop.watch notices a client that leaves while it waits, and drops what waited", async () => {
  const { stream, lease, loop, heard, clock, scan, say, serve } = rig();
  say("LX");
  const served = serve();
  await until(() => lease.grant !== null);
  loop.watch();
  stream.end();
  await atRest();
  clock.advance(3100);
  deepEqual(heard, ["obtain", "left"]);
  lease.error = new PgplexError("shutting_down", "the client is gone");
  lease.grant!();
  await served;
  deepEqual([scan.taken, heard], [0, ["obtain", "left"]]);
});

Deno.test("ClientLoop.watch: a client that resets its connection is gone at once, as is one that ends before its greeting", async () => {
  const reset = rig();
  reset.loop.watch();
  reset.stream.fail(new Deno.errors.ConnectionReset("reset"));
  const ended = rig({ greeted: false });
  ended.loop.watch();
  ended.stream.end();
  await atRest();
  for (const { heard } of [reset, ended]) deepEqual(heard, ["left"]);
});

Deno.test("ClientLoop.rests between two messages, when everything was taken", async () => {
  const { loop, scan, lease, say, serve } = rig();
  equal(loop.rests, true);
  scan.atMessageStart = false;
  equal(loop.rests, false);
  scan.atMessageStart = true;
  say("LX");
  const served = serve();
  await until(() => lease.grant !== null);
  equal(loop.rests, false);
  lease.held = true;
  lease.grant!();
  await served;
});

Deno.test("ClientLoop drives a session's machines: what waited for a lease goes to the server in one piece with what follows", async () => {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  const model = new ModelServer();
  let free = false;
  const session = new Rig({ statements, renames: true, acquire: () => free ? server : null });
  const left = await session.say(frontend.concat([frontend.query("SELECT 1"), frontend.query("SELECT 2")]));
  deepEqual([left.length, session.waiting], [0, "lease"]);
  free = true;
  await session.resume();
  await until(() => server.stream.written.length > 0);
  await server.say(model.receive(server.stream.taken()));
  deepEqual([session.waiting, session.leases, session.server], ["bytes", 1, null]);
  await session.say(frontend.terminate());
  equal(session.waiting, "end");
});
