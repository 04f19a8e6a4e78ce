import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { CommitNote } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeTextRow } from "../protocol/mod.ts";
import { CommitInquiry } from "./commit_inquiry.ts";
import { atRest, configOf, FakeCluster, topologyOf } from "./fake_cluster_test.ts";

const NOTE: CommitNote = { xid: "77", lsn: "0/3000100", timeline: 1, marker: "abcdef" };

const hexOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0).toString(16)).join("");

/** A row of two columns. */
function pair(first: string, second: string): Uint8Array {
  const text = (
    value: string,
  ) => [0, 0, value.length >> 8, value.length & 0xff, ...new TextEncoder().encode(value)];
  const body = [0, 2, ...text(first), ...text(second)];
  return Uint8Array.of(0x44, 0, 0, (body.length + 4) >> 8, (body.length + 4) & 0xff, ...body);
}

function error(sqlstate: string): Uint8Array {
  return encodeError("ERROR", new PgplexError("internal", "no", { sqlstate }));
}

/** An inquiry at a primary that says this; `says` may be changed meanwhile. */
function inquire(
  says: { timeline?: string; history?: Uint8Array; status?: Uint8Array; flushed?: string; wal?: string },
  { superuser = true } = {},
) {
  const cluster = new FakeCluster();
  cluster.answer = (sql) => {
    if (sql.startsWith("SELECT CASE WHEN NOT")) return encodeTextRow(says.timeline ?? "00000001");
    if (sql.startsWith("SELECT pg_read_file")) return says.history ?? error("58P01");
    if (sql.startsWith("SELECT txid_status")) return says.status ?? encodeTextRow("committed");
    if (sql.startsWith("SELECT pg_current_wal_flush_lsn")) return encodeTextRow(says.flushed ?? "t");
    if (sql.startsWith("SELECT file_offset")) return pair("256", hexOf(says.wal ?? "..abcdef.."));
    return null;
  };
  const account = superuser ? "superuser: { user: postgres }, " : "superuser: null, ";
  const config = configOf(`clusters: { main: { ${account}nodes: [{ name: n1, host: h1 }] } }\n`);
  const topology = topologyOf(config);
  const inquiry = new CommitInquiry(
    { runtime: cluster.runtime, topology, config: () => config },
    "main",
    NOTE,
    30_000,
  );
  let found: string | null = null;
  void inquiry.answer.then((verdict) => found = verdict);
  const { clock } = cluster.runtime;
  /** What was found so far; nothing is left behind where something was. */
  const answer = () => {
    if (found !== null) {
      deepEqual([clock.pending, cluster.servers.every(({ stream }) => stream.closed)], [0, true]);
    }
    return found;
  };
  return { cluster, clock, topology, inquiry, answer };
}

const HISTORY = (lsn: string) => encodeTextRow(`1\t${lsn}\tno recovery target specified\n`);

Deno.test("CommitInquiry finds out what the primary knows", async () => {
  const cases: readonly [Parameters<typeof inquire>[0], string][] = [
    [{}, "committed"],
    [{ wal: "something else" }, "unknown"],
    [{ status: encodeTextRow("aborted") }, "rolled back"],
    [{ status: error("22023") }, "rolled back"],
    [{ status: error("42501") }, "unknown"],
    [{ timeline: "00000002", history: HISTORY("0/3000200") }, "committed"],
    [
      { timeline: "00000002", history: HISTORY("0/3000200"), status: encodeTextRow("aborted") },
      "rolled back",
    ],
    [{ timeline: "00000002", history: HISTORY("0/30000FF") }, "rolled back"],
    [{ timeline: "00000002", history: error("42501") }, "unknown"],
  ];
  for (const [says, verdict] of cases) {
    const { answer } = inquire(says);
    await atRest();
    await atRest();
    equal(answer(), verdict, JSON.stringify(says));
  }
});

Deno.test("CommitInquiry asks again while the transaction runs, the server is no primary or has not written so far", async () => {
  for (
    const waits of [
      { status: encodeTextRow("in progress") },
      { timeline: "" },
      { flushed: "f" },
      { timeline: "00000002", history: error("58P01") },
    ]
  ) {
    const says: Parameters<typeof inquire>[0] = waits;
    const { clock, answer } = inquire(says);
    await atRest();
    for (let i = 0; i < 3; i++) {
      clock.advance(200);
      await atRest();
    }
    equal(answer(), null);
    for (const key of Object.keys(says) as (keyof typeof says)[]) delete says[key];
    clock.advance(200);
    await atRest();
    await atRest();
    equal(answer(), "committed");
  }
});

Deno.test("CommitInquiry waits for a primary, and for one that is being moved, up to its limit", async () => {
  const { cluster, clock, topology, answer } = inquire({});
  cluster.login = "hangs up";
  const { serial, clusters } = topology.current;
  await atRest();
  const main = { ...clusters.get("main")!, phase: "holding" as const };
  topology.publish({ serial: serial + 1, clusters: new Map([["main", main]]) });
  const logins = cluster.logins.length;
  for (let ms = 0; ms < 29_000; ms += 200) {
    clock.advance(200);
    await atRest();
  }
  deepEqual([answer(), cluster.logins.length], [null, logins]);
  clock.advance(1000);
  await atRest();
  equal(answer(), "unknown");
});

Deno.test("CommitInquiry knows nothing without a superuser, or when it is stopped", async () => {
  const without = inquire({}, { superuser: false });
  await atRest();
  deepEqual([without.answer(), without.cluster.logins.length], ["unknown", 0]);
  const stopped = inquire({ status: encodeTextRow("in progress") });
  await atRest();
  stopped.inquiry.stop();
  await atRest();
  equal(stopped.answer(), "unknown");
  const early = inquire({});
  early.inquiry.stop();
  await atRest();
  equal(early.answer(), "unknown");
});
