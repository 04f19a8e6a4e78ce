import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Effect, IN_FLIGHT_MAX, NOT_OWED, OwedReplies } from "./owed.ts";
import { Mark, Owed } from "./owed_entries.ts";

const { Parse, Bind, Describe, Execute, Close, Sync, Query, FunctionCall } = Owed;

/** A queue to which these messages went already. */
function owing(...entries: number[]): OwedReplies {
  const owed = new OwedReplies();
  for (const entry of entries) owed.sent(entry);
  return owed;
}

/** Effects that write down what became of them. */
function effects() {
  const log: string[] = [];
  const effect = (name: string, reply?: string): Effect => ({
    done: () => log.push(`${name} done`),
    undo: () => log.push(`${name} undone`),
    ...(reply === undefined ? {} : { reply: new TextEncoder().encode(reply), replaces: "26000" }),
  });
  return { log, effect };
}

const text = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);

/** ErrorResponse comes; the reply that replaces it, if any. */
function fail(owed: OwedReplies, sqlstate = "26000"): { failed: number; replaced: string | null } {
  let replaced: string | null = null;
  const failed = owed.error(sqlstate, (reply) => replaced = text(reply));
  return { failed, replaced };
}

Deno.test("OwedReplies owes nothing at first", () => {
  const owed = new OwedReplies();
  deepEqual([owed.settled, owed.length, owed.peek(), owed.peekKind()], [true, 0, -1, -1]);
  deepEqual([owed.skipping, owed.copyIn, owed.full], [false, false, false]);
});

Deno.test("OwedReplies settles a simple query at its ReadyForQuery", () => {
  const owed = owing(Query);
  equal(owed.settled, false);
  equal(owed.ready(), Query);
  equal(owed.settled, true);
});

Deno.test("OwedReplies settles a function call at its ReadyForQuery", () => {
  equal(owing(FunctionCall).ready(), FunctionCall);
});

Deno.test("OwedReplies checks an extended batch off in the order in which it was sent", () => {
  const owed = owing(Parse, Bind, Describe, Execute, Close, Sync);
  for (const kind of [Parse, Bind, Describe, Execute, Close]) equal(owed.reply(kind), kind);
  equal(owed.ready(), Sync);
  equal(owed.settled, true);
});

Deno.test("OwedReplies says NOT_OWED for a reply to what was not sent", () => {
  equal(new OwedReplies().reply(Parse), NOT_OWED);
  equal(owing(Bind).reply(Parse), NOT_OWED);
  equal(owing(Query).reply(Execute), NOT_OWED);
});

Deno.test("OwedReplies says NOT_OWED for a ReadyForQuery in the middle of a batch", () => {
  equal(owing(Parse, Sync).ready(), NOT_OWED);
  equal(new OwedReplies().ready(), NOT_OWED);
});

Deno.test("OwedReplies counts pipelined queries and batches one by one", () => {
  const owed = owing(Query, Query, Parse, Sync, Query);
  deepEqual([owed.ready(), owed.ready()], [Query, Query]);
  equal(owed.ready(), NOT_OWED);
  equal(owed.reply(Parse), Parse);
  deepEqual([owed.ready(), owed.ready()], [Sync, Query]);
  equal(owed.settled, true);
});

Deno.test("OwedReplies keeps marks on an entry and answers by its kind", () => {
  const owed = owing(Parse | Mark.Swallow);
  equal(owed.peekKind(), Parse);
  equal(owed.reply(Parse), Parse | Mark.Swallow);
});

Deno.test("OwedReplies.error leaves a simple query waiting for its ReadyForQuery", () => {
  const owed = owing(Query, Query);
  equal(fail(owed).failed, Query);
  equal(owed.skipping, false);
  deepEqual([owed.length, owed.ready(), owed.ready()], [2, Query, Query]);
});

Deno.test("OwedReplies.error leaves a function call waiting for its ReadyForQuery", () => {
  const owed = owing(FunctionCall);
  equal(fail(owed).failed, FunctionCall);
  equal(owed.ready(), FunctionCall);
});

Deno.test("OwedReplies.error in an extended batch drops everything up to its Sync", () => {
  const owed = owing(Parse, Bind, Describe, Execute, Sync);
  equal(fail(owed).failed, Parse);
  deepEqual([owed.length, owed.peekKind(), owed.skipping], [1, Sync, false]);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies.error drops only its own batch, not the one behind the Sync", () => {
  const owed = owing(Bind, Sync, Bind, Sync);
  fail(owed);
  equal(owed.ready(), Sync);
  equal(owed.reply(Bind), Bind);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies.error names the message that failed in the middle of a batch", () => {
  const owed = owing(Parse, Bind, Execute, Sync);
  owed.reply(Parse);
  owed.reply(Bind);
  equal(fail(owed).failed, Execute);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies.error at a Sync, which commits, still awaits the ReadyForQuery", () => {
  const owed = owing(Sync, Query);
  equal(fail(owed).failed, Sync);
  equal(owed.skipping, false);
  deepEqual([owed.ready(), owed.ready()], [Sync, Query]);
});

Deno.test("OwedReplies.error with nothing owed is the server's own affair", () => {
  const owed = new OwedReplies();
  equal(fail(owed).failed, -1);
  equal(owed.skipping, false);
});

Deno.test("OwedReplies skips what is sent after an error until the Sync", () => {
  const owed = owing(Parse, Bind);
  fail(owed);
  equal(owed.skipping, true);
  for (const kind of [Bind, Describe, Execute, Close]) owed.sent(kind);
  equal(owed.settled, true);
  owed.sent(Sync);
  deepEqual([owed.skipping, owed.length], [false, 1]);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies skips a simple query and a function call too, as PostgreSQL does", () => {
  const owed = owing(Parse);
  fail(owed);
  owed.sent(Query);
  owed.sent(FunctionCall);
  equal(owed.settled, true);
  equal(owed.skipping, true);
});

Deno.test("OwedReplies drops a simple query that stands between the error and the Sync", () => {
  const owed = owing(Parse, Query, Bind, Sync, Query);
  fail(owed);
  deepEqual([owed.ready(), owed.ready()], [Sync, Query]);
  equal(owed.settled, true);
});

Deno.test("OwedReplies runs an effect when its reply comes, not before", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Parse | Mark.Effect, effect("a"));
  owed.sent(Bind);
  owed.sent(Close | Mark.Effect, effect("b"));
  deepEqual(log, []);
  owed.reply(Parse);
  deepEqual(log, ["a done"]);
  owed.reply(Bind);
  owed.reply(Close);
  deepEqual(log, ["a done", "b done"]);
});

Deno.test("OwedReplies undoes the effects of a failed batch, the last one first", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Parse | Mark.Effect, effect("a"));
  owed.sent(Bind);
  owed.sent(Parse | Mark.Effect, effect("b"));
  owed.sent(Parse | Mark.Effect, effect("c"));
  owed.sent(Sync);
  owed.sent(Parse | Mark.Effect, effect("next"));
  owed.reply(Parse);
  fail(owed);
  deepEqual(log, ["a done", "c undone", "b undone"]);
  owed.ready();
  owed.reply(Parse);
  deepEqual(log.at(-1), "next done");
});

Deno.test("OwedReplies undoes the effect of the very message that failed", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Parse | Mark.Effect, effect("a"));
  fail(owed);
  deepEqual(log, ["a undone"]);
});

Deno.test("OwedReplies undoes at once the effect of what is sent while the server skips", () => {
  const { log, effect } = effects();
  const owed = owing(Parse);
  fail(owed);
  owed.sent(Parse | Mark.Effect, effect("a"));
  deepEqual(log, ["a undone"]);
  equal(owed.settled, true);
});

Deno.test("OwedReplies leaves effects alone when a simple query fails", () => {
  const { log, effect } = effects();
  const owed = owing(Query);
  owed.sent(Parse | Mark.Effect, effect("a"));
  fail(owed);
  deepEqual(log, []);
  owed.ready();
  owed.reply(Parse);
  deepEqual(log, ["a done"]);
});

Deno.test("OwedReplies replaces the error of a message that was to fail", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Bind | Mark.Swallow | Mark.Effect | Mark.Replace, effect("poison", "no such statement"));
  owed.sent(Execute);
  owed.sent(Sync);
  equal(fail(owed).replaced, "no such statement");
  deepEqual(log, ["poison undone"]);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies passes on another error than the one that was to come", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Bind | Mark.Swallow | Mark.Effect | Mark.Replace, effect("poison", "no such statement"));
  deepEqual(fail(owed, "57014"), {
    failed: Bind | Mark.Swallow | Mark.Effect | Mark.Replace,
    replaced: null,
  });
  deepEqual(log, ["poison undone"]);
});

Deno.test("OwedReplies.batch rises with each Sync, also with one that the server ignores in a COPY", () => {
  const owed = owing(Parse, Bind);
  equal(owed.batch, 0);
  owed.sent(Sync);
  equal(owed.batch, 1);
  owed.sent(Query);
  equal(owed.batch, 1);
  owed.sent(Sync);
  equal(owed.batch, 2);
});

Deno.test("OwedReplies.batch rises with a Sync of pgplex's own too: what stands behind it is not skipped", () => {
  const owed = owing(Parse);
  owed.sent(Sync | Mark.Swallow);
  equal(owed.batch, 1);
});

Deno.test("OwedReplies.midBatch: something behind the last Sync is not answered yet", () => {
  const owed = new OwedReplies();
  const said: boolean[] = [owed.midBatch];
  for (const kind of [Parse, Sync, Query]) {
    owed.sent(kind);
    said.push(owed.midBatch);
  }
  owed.reply(Parse);
  owed.ready();
  owed.ready();
  deepEqual([...said, owed.midBatch], [false, true, false, true, false]);
});

Deno.test("OwedReplies passes an earlier error on as it is, though one further back would be replaced", () => {
  const { log, effect } = effects();
  const owed = owing(Parse);
  owed.sent(Bind | Mark.Swallow | Mark.Effect | Mark.Replace, effect("poison", "no such statement"));
  equal(fail(owed).replaced, null);
  deepEqual(log, ["poison undone"]);
});

Deno.test("OwedReplies passes an error on as it is when only a later message has an effect with a reply", () => {
  const { effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Parse | Mark.Effect, effect("first"));
  owed.sent(Bind | Mark.Effect | Mark.Replace, effect("poison", "no such statement"));
  equal(fail(owed).replaced, null);
});

Deno.test("OwedReplies.local answers at once when nothing is owed", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  equal(text(owed.local(Close, effect("close", "3"))), "3");
  deepEqual(log, ["close done"]);
  equal(owed.settled, true);
});

Deno.test("OwedReplies.local waits for its turn behind what the server owes", () => {
  const { log, effect } = effects();
  const owed = owing(Parse);
  equal(owed.local(Close, effect("close", "3")), null);
  deepEqual(log, []);
  equal(owed.nextLocal(), null);
  owed.reply(Parse);
  equal(text(owed.nextLocal()), "3");
  equal(owed.nextLocal(), null);
  deepEqual(log, ["close done"]);
});

Deno.test("OwedReplies.nextLocal brings several in their order, and stops at what the server owes", () => {
  const { log, effect } = effects();
  const owed = owing(Bind);
  owed.local(Close, effect("a", "A"));
  owed.local(Close, effect("b", "B"));
  owed.sent(Sync);
  owed.local(Close, effect("c", "C"));
  owed.reply(Bind);
  deepEqual([text(owed.nextLocal()), text(owed.nextLocal()), owed.nextLocal()], ["A", "B", null]);
  owed.ready();
  equal(text(owed.nextLocal()), "C");
  deepEqual(log, ["a done", "b done", "c done"]);
});

Deno.test("OwedReplies.nextLocal passes over what has no reply", () => {
  const { log, effect } = effects();
  const owed = owing(Bind);
  owed.local(Close, effect("silent"));
  owed.local(Close, effect("b", "B"));
  owed.reply(Bind);
  equal(text(owed.nextLocal()), "B");
  deepEqual(log, ["silent done", "b done"]);
});

Deno.test("OwedReplies never takes a server's reply for a local one", () => {
  const { effect } = effects();
  const owed = owing(Bind);
  owed.local(Close, effect("close", "3"));
  owed.reply(Bind);
  equal(owed.reply(Close), NOT_OWED);
});

Deno.test("OwedReplies drops local answers of a failed batch and undoes them", () => {
  const { log, effect } = effects();
  const owed = owing(Bind);
  owed.local(Close, effect("close", "3"));
  owed.sent(Sync);
  fail(owed);
  deepEqual(log, ["close undone"]);
  equal(owed.nextLocal(), null);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies.local while the server skips answers nothing and is undone", () => {
  const { log, effect } = effects();
  const owed = owing(Bind);
  fail(owed);
  equal(owed.local(Close, effect("close", "3")), null);
  deepEqual(log, ["close undone"]);
  equal(owed.settled, true);
});

Deno.test("OwedReplies in a COPY by a simple query owes one ReadyForQuery", () => {
  const owed = owing(Query);
  owed.copyStarts();
  equal(owed.copyIn, true);
  owed.copyEnds();
  equal(owed.copyIn, false);
  owed.commandEnds();
  equal(owed.ready(), Query);
  equal(owed.settled, true);
});

Deno.test("OwedReplies forgets the Sync behind an Execute that turns out to be a COPY", () => {
  const owed = owing(Bind, Execute, Sync);
  owed.reply(Bind);
  owed.copyStarts();
  equal(owed.length, 1);
  owed.copyEnds(); // CopyDone
  owed.sent(Sync);
  owed.reply(Execute); // CommandComplete
  owed.commandEnds();
  equal(owed.ready(), Sync);
  equal(owed.settled, true);
});

Deno.test("OwedReplies owes nothing for a Sync that is sent while the server reads COPY data", () => {
  const owed = owing(Execute);
  owed.copyStarts();
  owed.sent(Sync);
  owed.sent(Sync);
  equal(owed.length, 1);
  owed.copyEnds();
  owed.sent(Sync);
  owed.reply(Execute);
  owed.commandEnds();
  equal(owed.ready(), Sync);
  equal(owed.ready(), NOT_OWED);
});

Deno.test("OwedReplies owes an answer to the Sync behind COPY data that failed, whenever that is seen", () => {
  const parseBehind = (owed: OwedReplies) => {
    equal(owed.error("22P02", () => {}), Execute);
    equal(owed.skipping, false);
    equal(owed.ready(), Sync);
    equal(owed.reply(Parse), Parse);
    equal(owed.ready(), Sync);
    equal(owed.settled, true);
  };
  const early = owing(Execute);
  early.copyData();
  early.copyData();
  for (const entry of [Sync, Parse, Sync]) early.sent(entry);
  early.copyStarts();
  parseBehind(early);

  const late = owing(Execute);
  late.copyStarts();
  late.copyData();
  for (const entry of [Sync, Parse, Sync]) late.sent(entry);
  parseBehind(late);

  const failedFirst = owing(Execute);
  failedFirst.copyStarts();
  failedFirst.copyData();
  failedFirst.sent(Sync);
  equal(failedFirst.error("22P02", () => {}), Execute);
  equal(failedFirst.readies, 1);
  equal(failedFirst.ready(), Sync);
});

Deno.test("OwedReplies takes time in proportion to the Syncs that are sent behind a COPY", () => {
  const owed = owing(Execute);
  for (let i = 0; i < 400_000; i++) owed.sent(Sync);
  owed.copyStarts();
  deepEqual([owed.length, owed.readies, owed.copyIn], [1, 0, true]);
});

Deno.test("OwedReplies owes nothing for a Sync before COPY data, though a batch follows them", () => {
  const owed = owing(Execute, Sync);
  owed.copyData();
  for (const entry of [Parse, Sync]) owed.sent(entry);
  owed.copyStarts();
  equal(owed.error("22P02", () => {}), Execute);
  equal(owed.ready(), Sync);
  equal(owed.settled, true);
});

Deno.test("OwedReplies keeps the Sync behind a CopyDone that went out before the server said CopyInResponse", () => {
  const owed = owing(Execute);
  owed.copyEnds();
  owed.sent(Sync);
  owed.copyStarts();
  equal(owed.copyIn, false);
  owed.reply(Execute);
  owed.commandEnds();
  equal(owed.ready(), Sync);
  equal(owed.settled, true);
});

Deno.test("OwedReplies drops the Sync before a CopyDone that went out early, and keeps the one behind it", () => {
  const owed = owing(Execute, Sync);
  owed.copyEnds();
  owed.sent(Sync);
  owed.copyStarts();
  owed.reply(Execute);
  owed.commandEnds();
  equal(owed.ready(), Sync);
  equal(owed.settled, true);
});

Deno.test("OwedReplies matches the CopyDones of a query's two COPYs that went out early one by one", () => {
  const owed = owing(Query);
  owed.copyEnds();
  owed.copyEnds();
  owed.sent(Query);
  owed.copyStarts();
  equal(owed.copyIn, false);
  owed.commandEnds();
  owed.copyStarts();
  equal(owed.copyIn, false);
  owed.commandEnds();
  deepEqual([owed.ready(), owed.ready(), owed.settled], [Query, Query, true]);
});

Deno.test("OwedReplies passes over a CopyDone that nobody wanted", () => {
  const owed = owing(Query);
  owed.copyEnds();
  owed.sent(Parse);
  owed.sent(Sync);
  owed.ready();
  equal(owed.peekKind(), Parse);
  equal(owed.reply(Parse), Parse);
  equal(owed.ready(), Sync);
  const idle = new OwedReplies();
  idle.copyEnds();
  equal(idle.settled, true);
});

Deno.test("OwedReplies drops a CopyDone with the batch that failed", () => {
  const owed = owing(Execute);
  owed.copyEnds();
  owed.sent(Sync);
  owed.sent(Query);
  fail(owed);
  deepEqual([owed.ready(), owed.ready(), owed.settled], [Sync, Query, true]);
});

Deno.test("OwedReplies skips to Sync after a COPY by Execute failed", () => {
  const owed = owing(Execute);
  owed.copyStarts();
  equal(fail(owed).failed, Execute);
  deepEqual([owed.copyIn, owed.skipping], [false, true]);
  owed.copyEnds(); // CopyFail, too late
  owed.sent(Sync);
  equal(owed.ready(), Sync);
});

Deno.test("OwedReplies awaits ReadyForQuery after a COPY by a simple query failed", () => {
  const owed = owing(Query);
  owed.copyStarts();
  equal(fail(owed).failed, Query);
  deepEqual([owed.copyIn, owed.skipping, owed.ready()], [false, false, Query]);
});

Deno.test("OwedReplies takes a ReadyForQuery for a Sync in a COPY that the server had left by then", () => {
  const owed = owing(Execute, Sync);
  owed.copyStarts();
  fail(owed);
  equal(owed.ready(), Sync);
  // The server has seen a Sync: what is sent from here on, it does.
  equal(owed.skipping, false);
  owed.sent(Query);
  equal(owed.ready(), Query);
});

Deno.test("OwedReplies owes no Sync of a COPY any more once a command has ended", () => {
  const owed = owing(Execute, Sync);
  owed.copyStarts();
  owed.copyEnds();
  owed.reply(Execute);
  owed.commandEnds();
  equal(owed.ready(), NOT_OWED);
});

Deno.test("OwedReplies.clear undoes what is open, the last one first, and owes nothing", () => {
  const { log, effect } = effects();
  const owed = new OwedReplies();
  owed.sent(Parse | Mark.Effect, effect("a"));
  owed.sent(Parse | Mark.Effect, effect("b"));
  owed.sent(Parse | Mark.Effect, effect("c"));
  owed.reply(Parse);
  owed.clear();
  deepEqual(log, ["a done", "c undone", "b undone"]);
  deepEqual([owed.settled, owed.skipping, owed.copyIn], [true, false, false]);
  owed.clear();
  equal(log.length, 3);
});

Deno.test("OwedReplies.full holds a little before the limit, so that what one message adds still fits", () => {
  const owed = new OwedReplies();
  while (!owed.full) owed.sent(Query);
  equal(owed.length, IN_FLIGHT_MAX - 4096);
  for (let i = 0; i < 4096; i++) owed.sent(Query);
  equal(owed.length, IN_FLIGHT_MAX);
  while (!owed.settled) equal(owed.ready(), Query);
});

Deno.test("OwedReplies keeps effects in order over thousands of messages in flight", () => {
  const owed = new OwedReplies();
  const done: number[] = [];
  let sent = 0;
  const send = () => {
    const serial = sent++;
    owed.sent(Parse | Mark.Effect, { done: () => done.push(serial), undo() {} });
  };
  for (let i = 0; i < 3000; i++) send();
  for (let i = 0; i < 6000; i++) {
    owed.reply(Parse);
    send();
  }
  while (!owed.settled) owed.reply(Parse);
  deepEqual(done, Array.from({ length: 9000 }, (_, serial) => serial));
});

Deno.test("OwedReplies says whether a reply of a kind is owed, whatever its marks", () => {
  const owed = owing(Parse, Bind);
  equal(owed.owes(Execute), false);
  owed.sent(Execute | Mark.Swallow);
  equal(owed.owes(Execute), true);
  for (const kind of [Parse, Bind, Execute]) owed.reply(kind);
  equal(owed.owes(Execute), false);
});

Deno.test("OwedReplies.mayBeSkipped says whether a Query stands in a batch", () => {
  equal(owing(Query, Query).mayBeSkipped, false);
  equal(owing(Parse, Execute).mayBeSkipped, false);
  equal(owing(Parse, Sync, Query).mayBeSkipped, false);
  equal(owing(Query, Parse).mayBeSkipped, false);
  equal(owing(Parse, Query).mayBeSkipped, true);
  equal(owing(Query, Parse, FunctionCall).mayBeSkipped, true);
  equal(owing(Query, Close | Mark.Local, Query).mayBeSkipped, false);
  equal(owing(Parse, Close | Mark.Local, Query).mayBeSkipped, true);
});

Deno.test("OwedReplies.local with Swallow has its effect when its turn comes, and answers nothing", () => {
  const owed = owing(Query);
  const heard: string[] = [];
  const effect = (name: string) => ({
    done: () => void heard.push(`${name} done`),
    undo: () => void heard.push(`${name} undone`),
    reply: new Uint8Array(1),
  });
  equal(owed.local(Close | Mark.Swallow, effect("a")), null);
  owed.sent(Execute);
  owed.local(Close | Mark.Swallow, effect("b"));
  deepEqual([owed.nextLocal(), heard], [null, []]);
  owed.ready();
  deepEqual([owed.nextLocal(), heard], [null, ["a done"]]);
  owed.error("26000", () => {});
  deepEqual([owed.nextLocal(), heard, owed.settled], [null, ["a done", "b undone"], true]);
});
