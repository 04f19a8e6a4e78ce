import { deepStrictEqual as deepEqual, match, rejects, strictEqual as equal } from "node:assert/strict";
import { FakeStream } from "../backend/fake_server_test.ts";
import { fakeRuntime, GREETING, queriesIn } from "../backend/fake_network_test.ts";
import { Secret } from "../config/mod.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import { Back, encodeBack, encodeError, encodeReadyForQuery, TxStatus } from "../protocol/mod.ts";
import { ArbiterSession } from "./arbiter_session.ts";
import type { VerbFailure, VerbTrouble } from "./result.ts";

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

/** A server that answers each query by `answer`: rows, an error's text, or null for silence. */
class Rig {
  readonly runtime = fakeRuntime();
  readonly streams: FakeStream[] = [];
  readonly queries: string[] = [];
  answer: (sql: string) => string[][] | string | null = () => [];
  readonly session = new ArbiterSession({ name: "n1", host: "h", port: 5432 }, {
    access: () => ({
      superuser: {
        user: "boss",
        database: "postgres",
        password: new Secret("geheim"),
        password_file: null,
        password_env: null,
      },
      tls: TLS,
      connectTimeoutMs: 2000,
    }),
    runtime: this.runtime,
  });

  constructor() {
    this.runtime.network.connect = () => {
      const stream = new FakeStream();
      this.streams.push(stream);
      stream.onWrite = (bytes) => this.#take(stream, bytes);
      return Promise.resolve(stream);
    };
  }

  #take(stream: FakeStream, bytes: Uint8Array): void {
    if (bytes[0] === 0) return stream.say(GREETING);
    for (const sql of queriesIn(bytes)) {
      this.queries.push(sql);
      const answer = sql.includes("is_superuser'),") ? [["180004", "on", "t"]] : this.answer(sql);
      if (answer === null) continue;
      const parts = typeof answer === "string"
        ? [encodeError("ERROR", new PgplexError("internal", answer, { sqlstate: "22023" }))]
        : answer.map(dataRow);
      stream.say(concat(...parts, encodeReadyForQuery(TxStatus.Idle)));
    }
  }

  async advance(ms: number): Promise<void> {
    for (let turn = 0; turn < 60; turn++) await Promise.resolve();
    for (let passed = 0; passed < ms; passed += 10) {
      this.runtime.clock.advance(10);
      for (let turn = 0; turn < 60; turn++) await Promise.resolve();
    }
  }

  run(sql: string, { acts = false, timeoutMs = 1000 } = {}) {
    return this.session.run(sql, { until: this.session.deadline(timeoutMs), acts });
  }
}

const failureOf = (work: Promise<unknown>): Promise<VerbFailure> =>
  work.then(() => {
    throw new Error("it went well");
  }, (trouble: VerbTrouble) => trouble.failure);

Deno.test("ArbiterSession logs in once, quiets what a server logs, and runs statements one behind the other", async () => {
  const rig = new Rig();
  rig.answer = (sql) => sql.startsWith("SELECT 'a'") ? [["ä"]] : [];
  const both = Promise.all([rig.run("SELECT 'a'"), rig.run("SELECT 2")]);
  deepEqual(await both, [[["ä"]], []]);
  equal(rig.streams.length, 1);
  match(rig.queries[0]!, /'log_statement', 'none'/);
  deepEqual(rig.queries.slice(2), ["SELECT 'a'", "SELECT 2"]);
  rig.session.close();
});

Deno.test("ArbiterSession gives a statement up at its deadline: unknown where it acts, failed where it looks", async () => {
  for (const [acts, kind] of [[true, "unknown"], [false, "failed"]] as const) {
    const rig = new Rig();
    await rig.run("SELECT 1");
    rig.answer = () => null;
    const failure = failureOf(rig.run("CHECKPOINT", { acts, timeoutMs: 500 }));
    await rig.advance(500);
    deepEqual(await failure, { ok: false, kind, reason: "no answer within 500 ms" });
    equal(rig.streams[0]!.closed, true);
    rig.answer = () => [["1"]];
    deepEqual(await rig.run("SELECT 1"), [["1"]]);
    equal(rig.streams.length, 2);
    equal(rig.runtime.clock.pending, 0);
    rig.session.close();
  }
});

Deno.test("ArbiterSession's statement that waited for its turn until its deadline was not run", async () => {
  const rig = new Rig();
  await rig.run("SELECT 1");
  rig.answer = () => null;
  const first = failureOf(rig.run("SELECT pg_promote()", { acts: true, timeoutMs: 1000 }));
  const second = failureOf(rig.run("ALTER SYSTEM", { acts: true, timeoutMs: 500 }));
  await rig.advance(1000);
  equal((await first).kind, "unknown");
  equal((await second).kind, "failed");
  equal(rig.queries.includes("ALTER SYSTEM"), false);
});

Deno.test("ArbiterSession shows its password in no error, and does nothing once it is closed", async () => {
  const rig = new Rig();
  rig.answer = (sql) => sql === "BAD" ? "no geheim here, password=geheim" : [];
  equal((await failureOf(rig.run("BAD"))).reason, "no *** here, password=*** (22023)");
  rig.session.close();
  await rejects(rig.run("SELECT 1"), /the arbiter stops/);
});

Deno.test("ArbiterSession that has claimed its node claims it again on each new connection, and gives way", async () => {
  const rig = new Rig();
  const deadline = () => rig.session.deadline(1000);
  deepEqual(await rig.session.claim({ epoch: 3, instance: 1 }, deadline()), { ended: 0 });
  const marks = () => rig.queries.filter((sql) => sql.includes("pg_advisory_lock_shared")).length;
  equal(marks(), 1);
  rig.session.reset();
  await rig.run("SELECT 1");
  equal(marks(), 2);
  rig.session.reset();
  rig.answer = (sql) => sql.includes("l.objid::bigint, l.classid") ? [["77", "4", "2"]] : [];
  const failure = await failureOf(rig.run("SELECT pg_promote(false)", { acts: true }));
  deepEqual([failure.kind, failure.reason], [
    "refused",
    "another arbiter has the node: epoch 4, instance 2, pid 77",
  ]);
  equal(rig.queries.includes("SELECT pg_promote(false)"), false);
  equal(rig.streams.every(({ closed }) => closed), true);
});

function dataRow(row: readonly string[]): Uint8Array {
  const int32 = (value: number) =>
    [24, 16, 8, 0].map((bits) => String.fromCharCode((value >>> bits) & 255)).join("");
  const bytes = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  const cells = row.map((text) => int32(bytes(text).length) + bytes(text));
  const body = `\0${String.fromCharCode(row.length)}${cells.join("")}`;
  return encodeBack(Back.DataRow, Uint8Array.from(body, (unit) => unit.charCodeAt(0)));
}
