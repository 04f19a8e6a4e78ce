import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { TxStatus } from "../protocol/mod.ts";
import { Progress } from "./progress.ts";
import { intentIn, Reads, type ReadsHost } from "./reads.ts";

function rig(said: Partial<ReadsHost> = {}) {
  const host = {
    usuallyReads: false,
    intentSaid: false,
    readOnlyIsRead: false,
    atStandby: true,
    goesOn: () => true,
    leaves: 0,
    toClient: 0,
    leave: (): boolean => ++host.leaves > 0,
    ...said,
  };
  const progress = new Progress();
  const reads = new Reads(progress);
  reads.serveBy(host);
  const server = { owed: { settled: true }, txStatus: TxStatus.Idle as number };
  const cursor = { type: 0x51, server, awaits: false, awaitRuns: () => cursor.awaits, wantHead: () => -1 };
  const stops = (intent: "read" | "write" | null | undefined) => reads.stopsAt(cursor, () => intent);
  return { host, progress, reads, server, cursor, stops };
}

/** Whether a text may concern it, and what that then says. */
function saidOf(reads: Reads, text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (!reads.mayConcern(bytes, 0, bytes.length, bytes.length)) return "nothing";
  const { statement, transaction } = reads.implied(text) ?? { statement: [], transaction: [] };
  return [
    ...statement.map(({ value }) => `${value} statement`),
    ...transaction.map(({ value }) => `${value} transaction`),
  ].join() || "nothing";
}

Deno.test("Reads.implied reads READ ONLY where that means reading and the client has not said what it does", () => {
  const texts = ["BEGIN READ ONLY", "BEGIN READ WRITE", "LISTEN a", "SELECT 1"];
  const all = (said: Partial<ReadsHost>) => texts.map((text) => saidOf(rig(said).reads, text));
  deepEqual(all({}), ["nothing", "nothing", "nothing", "nothing"]);
  deepEqual(all({ readOnlyIsRead: true }), [
    "read transaction",
    "write transaction",
    "write statement",
    "nothing",
  ]);
  deepEqual(all({ readOnlyIsRead: true, intentSaid: true }), [
    "nothing",
    "nothing",
    "write statement",
    "nothing",
  ]);
  deepEqual(all({ usuallyReads: true }), ["nothing", "nothing", "write statement", "nothing"]);
  equal(saidOf(new Reads(new Progress()), "BEGIN READ ONLY"), "nothing");
});

Deno.test("Reads lets what reads go on in the lease, and ends it for what writes", () => {
  const { host, reads, stops } = rig();
  reads.leaseBegins(true);
  deepEqual([stops("read"), host.leaves], [false, 0]);
  deepEqual([stops(null), host.leaves], [true, 1]);
  host.usuallyReads = true;
  deepEqual([stops(null), stops("write"), host.leaves], [false, true, 2]);
  equal(stops(undefined), true, "more of it must come first");
});

Deno.test("Reads ends a lease, between two transactions, where its node is not to serve the session any more", () => {
  const { host, reads, server, stops } = rig({ goesOn: () => false });
  reads.leaseBegins(true);
  deepEqual([stops("read"), host.leaves], [false, 0], "it was fit a moment ago");
  server.txStatus = TxStatus.InTransaction;
  deepEqual([stops("read"), host.leaves], [false, 0]);
  server.txStatus = TxStatus.Idle;
  deepEqual([stops("read"), host.leaves], [true, 1]);
});

Deno.test("Reads lets what writes wait until all is answered, and run where its own transaction is open", () => {
  const { host, reads, server, cursor, stops } = rig();
  reads.leaseBegins(true);
  stops("read");
  cursor.awaits = true;
  deepEqual([stops("write"), host.leaves], [true, 0]);
  cursor.awaits = false;
  server.txStatus = TxStatus.InTransaction;
  deepEqual([stops("write"), host.leaves, reads.on], [false, 0, true]);
  server.txStatus = TxStatus.Idle;
  deepEqual([stops("write"), host.leaves], [true, 1]);
});

Deno.test("Reads lets whatever stands in an open batch, or needs no server, pass", () => {
  const { host, progress, reads, cursor, stops } = rig();
  reads.leaseBegins(true);
  stops("read");
  progress.batchBegins();
  equal(stops("write"), false);
  progress.batchEnds();
  cursor.type = 0x53;
  deepEqual([stops("write"), host.leaves], [false, 0]);
});

Deno.test("Reads.on ends with the first write at the node to which writes go", () => {
  const { host, reads, stops } = rig({ atStandby: false });
  reads.leaseBegins(true);
  deepEqual([stops("read"), reads.on], [false, true]);
  deepEqual([stops("write"), reads.on, host.leaves], [false, false, 0]);
  reads.leaseBegins(false);
  equal(reads.on, false);
});

Deno.test("Reads leaves a lease no sooner than something ran in it, nor where the session is held to it", () => {
  const { host, reads, stops } = rig();
  reads.leaseBegins(true);
  deepEqual([stops("write"), host.leaves], [false, 0], "it was had for this very message");
  host.leave = () => false;
  equal(stops("write"), false);
});

Deno.test("Reads knows what is in flight at a standby and unanswered, to be sent once again", () => {
  const message = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    return { bytes, at: 0, messageEnd: bytes.length, whole: true };
  };
  const { host, reads, server, progress } = rig();
  const send = (text: string) => {
    reads.beforeSending(server);
    reads.sent(message(text));
  };
  const unanswered = () => reads.unanswered === null ? null : new TextDecoder().decode(reads.unanswered);
  reads.leaseBegins(true);
  equal(unanswered(), null);
  send("Qone");
  equal(unanswered(), "Qone");
  server.owed.settled = false;
  send("Qtwo");
  equal(unanswered(), "QoneQtwo");
  host.toClient = 5;
  equal(unanswered(), null, "answered in part");
  server.owed.settled = true;
  send("Qthree");
  equal(unanswered(), "Qthree", "what was answered before does not count");
  progress.batchGoesOn();
  equal(unanswered(), null, "a batch without its Sync");
  progress.batchEnds();
  reads.runsAgain = true;
  equal(unanswered(), null, "it runs again already");
  send("Qthree");
  reads.runsAgain = false;
  equal(unanswered(), null);
  send("P\0\0\0\0name\0");
  equal(unanswered(), null, "a name is made");
  send("P\0\0\0\0\0");
  equal(unanswered() === null, false);
  const atPrimary = rig({ atStandby: false });
  atPrimary.reads.leaseBegins(true);
  atPrimary.reads.sent(message("Q"));
  equal(atPrimary.reads.unanswered, null);
});

Deno.test("intentIn takes the last of several changes", () => {
  const { reads } = rig({ readOnlyIsRead: true });
  const changes = ["BEGIN READ ONLY", "BEGIN READ WRITE"].flatMap((text) => reads.implied(text)!.transaction);
  equal(intentIn(changes), "write");
  equal(intentIn([]), null);
});
