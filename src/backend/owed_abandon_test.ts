import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { Back, decodeErrorFields } from "../protocol/mod.ts";
import { type Effect, OwedReplies } from "./owed.ts";
import type { Abandoned } from "./owed_abandon.ts";
import { Mark, Owed } from "./owed_entries.ts";

const { Parse, Bind, Describe, Execute, Close, Sync, Query, FunctionCall } = Owed;
const { Swallow } = Mark;

/** What the client hears, in short: an error's SQLSTATE, ReadyForQuery as `Z` with its status, pgplex's own answers as they are. */
function heard({ replies }: Abandoned): string {
  return replies.map((reply) => {
    if (reply[0] === Back.ReadyForQuery) return `Z${String.fromCharCode(reply[5]!)}`;
    if (reply[0] === Back.ErrorResponse) return decodeErrorFields(reply, 5, reply.length).get("C");
    return new TextDecoder().decode(reply);
  }).join(" ");
}

function lose(owed: OwedReplies, inTransaction: boolean): Abandoned {
  const sqlstate = inTransaction ? "40001" : "40003";
  return owed.abandon({ error: new PgplexError("server_lost", "lost", { sqlstate }), inTransaction });
}

const NOTHING: Effect = { done() {}, undo() {} };

/** What happened before the loss. */
class Play {
  readonly owed = new OwedReplies();
  /** What became of the effects. */
  readonly log: string[] = [];

  effect(name: string, reply?: string): Effect {
    return {
      done: () => this.log.push(`${name} done`),
      undo: () => this.log.push(`${name} undone`),
      failed: () => this.log.push(`${name} failed`),
      ...(reply === undefined ? {} : { reply: new TextEncoder().encode(reply) }),
    };
  }

  sent(...entries: number[]): this {
    for (const entry of entries) this.owed.sent(entry);
    return this;
  }

  /** Messages with an effect, named by its place in the log. */
  sentWith(entry: number, name: string): this {
    this.owed.sent(entry | Mark.Effect, this.effect(name));
    return this;
  }

  /** pgplex's own answer, which has to wait for its turn. */
  local(reply: string): this {
    equal(this.owed.local(Close, this.effect(reply, reply)), null);
    return this;
  }

  answered(...kinds: number[]): this {
    for (const kind of kinds) {
      if (kind === Sync || kind === Query || kind === FunctionCall) this.owed.ready();
      else this.owed.reply(kind);
    }
    return this;
  }

  failed(sqlstate = "22012"): this {
    this.owed.error(sqlstate, () => {});
    return this;
  }

  copy(...steps: ("starts" | "data" | "ends")[]): this {
    for (const step of steps) {
      if (step === "starts") this.owed.copyStarts();
      else if (step === "data") this.owed.copyData();
      else this.owed.copyEnds();
    }
    return this;
  }
}

/** What the client had sent and heard, and what it gets inside a transaction and outside. */
interface Row {
  readonly name: string;
  readonly play: (play: Play) => void;
  readonly inside: string;
  readonly outside: string;
  /** The rest of the client's batch is dropped. */
  readonly skipping?: boolean;
  /** The client may go on to send COPY data. */
  readonly copying?: boolean;
}

const ROWS: readonly Row[] = [
  { name: "nothing", play: () => {}, inside: "", outside: "" },
  {
    name: "a query that was answered",
    play: (play) => play.sent(Query).answered(Query),
    inside: "",
    outside: "",
  },
  { name: "a simple query", play: (play) => play.sent(Query), inside: "40001 ZE", outside: "40003 ZI" },
  {
    name: "a function call",
    play: (play) => play.sent(FunctionCall),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "pipelined queries, the first one answered",
    play: (play) => play.sent(Query, Query, Query).answered(Query),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "a query whose error has come, but not its ReadyForQuery",
    play: (play) => play.sent(Query).failed(),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a query behind one whose error has come",
    play: (play) => play.sent(Query, Query).failed(),
    inside: "ZE 40001 ZE",
    outside: "ZI 40003 ZI",
  },
  {
    name: "a batch of which nothing was answered",
    play: (play) => play.sent(Parse, Bind, Describe, Execute, Sync),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a batch that was answered in part",
    play: (play) => play.sent(Parse, Bind, Describe, Execute, Sync).answered(Parse, Bind),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a batch that was answered but for its Sync, which may have committed",
    play: (play) => play.sent(Parse, Bind, Execute, Sync).answered(Parse, Bind, Execute),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a batch that failed, its Sync not answered",
    play: (play) => play.sent(Parse, Bind, Execute, Sync).answered(Parse).failed(),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a batch whose Sync failed to commit",
    play: (play) => play.sent(Execute, Sync).answered(Execute).failed(),
    inside: "ZE",
    outside: "ZI",
  },
  { name: "a Sync alone", play: (play) => play.sent(Sync), inside: "ZE", outside: "ZI" },
  {
    name: "a Sync alone behind a batch that was answered",
    play: (play) => play.sent(Parse, Sync, Sync).answered(Parse, Sync),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "batches, queries and Syncs one behind the other",
    play: (play) => play.sent(Parse, Sync, Sync, Query, Bind, Execute, Sync, FunctionCall),
    inside: "40001 ZE ZE 25P02 ZE 25P02 ZE 25P02 ZE",
    outside: "40003 ZI ZI 40003 ZI 40003 ZI 40003 ZI",
  },
  {
    name: "a query and a function call that the lost request of their batch skips",
    play: (play) => play.sent(Parse, Query, FunctionCall, Sync, Query),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "a query in a batch whose messages before it were answered",
    play: (play) => play.sent(Parse, Query, Bind, Sync).answered(Parse),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "an open batch",
    play: (play) => play.sent(Parse, Bind).answered(Parse),
    inside: "40001",
    outside: "40003",
    skipping: true,
  },
  {
    name: "an open batch of which all was answered",
    play: (play) => play.sent(Parse, Bind, Execute).answered(Parse, Bind, Execute),
    inside: "40001",
    outside: "40003",
    skipping: true,
  },
  {
    name: "an open batch behind a query",
    play: (play) => play.sent(Query, Parse),
    inside: "40001 ZE 25P02",
    outside: "40003 ZI 40003",
    skipping: true,
  },
  {
    name: "an open batch that failed",
    play: (play) => play.sent(Parse).failed().sent(Bind),
    inside: "",
    outside: "",
    skipping: true,
  },
  {
    name: "a batch that failed while it was open, and its Sync",
    play: (play) => play.sent(Parse).failed().sent(Bind, Sync),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a message of pgplex's own",
    play: (play) => play.sent(Parse | Swallow, Sync | Swallow),
    inside: "",
    outside: "",
  },
  {
    name: "a message of pgplex's own without Sync, which the client does not know of",
    play: (play) => play.sent(Parse | Swallow),
    inside: "",
    outside: "",
  },
  {
    name: "a query behind messages of pgplex's own",
    play: (play) => play.sent(Parse | Swallow, Bind | Swallow, Execute | Swallow, Sync | Swallow, Query),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a query behind messages of pgplex's own that failed",
    play: (play) => play.sent(Parse | Swallow, Sync | Swallow, Query).failed(),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a query behind a message of pgplex's own in an open batch",
    play: (play) => play.sent(Parse, Parse | Swallow, Query).answered(Parse),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a batch that begins with messages of pgplex's own",
    play: (play) => play.sent(Close | Swallow, Parse | Swallow, Bind, Execute, Sync).answered(Close),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a Sync alone behind messages of pgplex's own, whether they were answered or not",
    play: (play) => play.sent(Parse | Swallow, Bind | Swallow, Execute | Swallow, Sync).answered(Parse),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a batch that failed by a message of pgplex's own",
    play: (play) => play.sent(Parse | Swallow, Bind, Sync).failed(),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "what was sent to fail in the place of a query",
    play: (play) => {
      play.sent(Parse | Swallow);
      play.owed.sent(Bind | Swallow | Mark.Effect | Mark.Replace, NOTHING);
      play.sent(Sync);
    },
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "pgplex's own answers behind what was lost",
    play: (play) => play.sent(Bind).local("close").sent(Sync).local("late").sent(Sync),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "an own answer whose turn has come",
    play: (play) => play.sent(Bind).local("close").sent(Sync).answered(Bind),
    inside: "close 40001 ZE",
    outside: "close 40003 ZI",
  },
  {
    name: "an own answer that stands for what pgplex asked of the server",
    play: (play) => play.sent(Execute | Swallow).local("SHOW").sent(Sync),
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a query that reads COPY data",
    play: (play) => play.sent(Query).copy("starts", "data"),
    inside: "40001 ZE",
    outside: "40003 ZI",
    copying: true,
  },
  {
    name: "an Execute that reads COPY data",
    play: (play) => play.sent(Bind, Execute).answered(Bind).copy("starts", "data"),
    inside: "40001",
    outside: "40003",
    skipping: true,
    copying: true,
  },
  {
    name: "Syncs before, between and behind the data of a running COPY, which ignores them",
    play: (play) => play.sent(Execute, Sync).copy("starts", "data").sent(Sync).copy("data").sent(Sync),
    inside: "40001",
    outside: "40003",
    skipping: true,
    copying: true,
  },
  {
    name: "a COPY whose data have ended",
    play: (play) => play.sent(Execute, Sync).copy("starts", "data", "ends").sent(Sync, Query),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "a COPY whose end was answered",
    play: (play) => {
      play.sent(Execute, Sync).copy("starts", "ends").answered(Execute);
      play.owed.commandEnds();
      play.sent(Sync);
    },
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
  {
    name: "a COPY that ended as the client sent something else",
    play: (play) => play.sent(Execute, Sync).copy("starts", "data").sent(Sync, Parse, Sync),
    inside: "40001 ZE 25P02 ZE",
    outside: "40003 ZI 40003 ZI",
  },
  {
    name: "a COPY that was not seen to begin: each Sync is answered",
    play: (play) => play.sent(Execute, Sync).copy("data").sent(Sync).copy("ends").sent(Sync),
    inside: "40001 ZE ZE ZE",
    outside: "40003 ZI ZI ZI",
  },
  {
    name: "a COPY that was not seen to begin, in the middle of its data",
    play: (play) => play.sent(Query).copy("data"),
    inside: "40001 ZE",
    outside: "40003 ZI",
    copying: true,
  },
  {
    name: "a COPY that failed by its data, and the Sync behind them",
    play: (play) => play.sent(Execute).copy("starts", "data").sent(Sync).failed("22P02"),
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a COPY that failed by its data, Syncs before and behind them",
    play: (play) => {
      play.sent(Execute).copy("starts").sent(Sync).copy("data").sent(Sync).failed("22P02");
      equal(play.owed.doubtful, true);
    },
    inside: "ZE",
    outside: "ZI",
  },
  {
    name: "a COPY that was cancelled, and may have read the Sync",
    play: (play) => play.sent(Execute, Sync).copy("starts").failed("57014"),
    inside: "",
    outside: "",
    skipping: true,
  },
  {
    name: "a query behind a cancelled COPY whose Sync was answered",
    play: (play) => {
      play.sent(Execute, Sync).copy("starts").failed("57014").answered(Sync);
      play.sent(Query);
    },
    inside: "40001 ZE",
    outside: "40003 ZI",
  },
];

for (const row of ROWS) {
  Deno.test(`OwedReplies.abandon answers ${row.name}`, () => {
    for (const inTransaction of [true, false]) {
      const play = new Play();
      row.play(play);
      const abandoned = lose(play.owed, inTransaction);
      const expected = inTransaction ? row.inside : row.outside;
      equal(heard(abandoned), expected);
      equal(abandoned.told, /\d/.test(expected));
      equal(abandoned.skipping, row.skipping ?? false);
      equal(abandoned.copying, row.copying ?? false);
      const { owed } = play;
      deepEqual(
        [owed.settled, owed.readies, owed.copyIn, owed.doubtful, owed.skipping],
        [true, 0, false, false, row.skipping ?? false],
      );
    }
  });
}

Deno.test("OwedReplies.abandon undoes what is open, the last one first, across batches", () => {
  const play = new Play();
  play.sentWith(Parse, "a").sentWith(Close | Swallow, "b").sent(Sync).sentWith(Parse, "c").local("d").sent(
    Sync,
  );
  play.answered(Parse);
  lose(play.owed, true);
  deepEqual(play.log, ["a done", "d undone", "c undone", "b undone"]);
});

Deno.test("OwedReplies.abandon does what its own answers promise before it undoes what stands behind them", () => {
  const play = new Play();
  play.sent(Parse).local("a").sentWith(Parse, "b").answered(Parse);
  equal(heard(lose(play.owed, true)), "a 40001");
  deepEqual(play.log, ["a done", "b undone"]);
});

Deno.test("OwedReplies.abandon leaves a queue in which an aborted session's messages are noted", () => {
  const play = new Play();
  play.sent(Parse, Bind);
  equal(heard(lose(play.owed, true)), "40001");
  const { owed } = play;
  play.sentWith(Execute, "skipped").sent(Query);
  deepEqual([owed.settled, play.log], [true, ["skipped undone"]]);
  play.sent(Sync);
  deepEqual([owed.skipping, owed.ready(), owed.settled], [false, Sync, true]);
  play.sent(Parse, Sync);
  deepEqual([owed.reply(Parse), owed.ready()], [Parse, Sync]);
});

Deno.test("OwedReplies.abandon answers the Sync of a batch that it failed without a second error", () => {
  const play = new Play();
  play.sent(Parse);
  equal(heard(lose(play.owed, true)), "40001");
  play.sent(Sync);
  equal(heard(lose(play.owed, true)), "ZE");
});

Deno.test("OwedReplies.abandon answers once", () => {
  const play = new Play();
  play.sent(Query, Parse, Sync).copy("data");
  lose(play.owed, false);
  deepEqual(lose(play.owed, false), { replies: [], told: false, skipping: false, copying: false });
});

Deno.test("OwedReplies.abandon takes no more memory for many errors than for one", () => {
  const play = new Play();
  for (let i = 0; i < 100_000; i++) play.sent(Query);
  const { replies } = lose(play.owed, true);
  equal(replies.length, 200_000);
  equal(new Set(replies).size, 3);
});

Deno.test("OwedReplies.clear forgets that the batch at its head had been answered", () => {
  const play = new Play();
  play.sent(Parse).answered(Parse);
  play.owed.clear();
  play.sent(Sync);
  equal(heard(lose(play.owed, false)), "ZI");
});

Deno.test("abandon answers a ROLLBACK that is all that is in flight, and its effects are done", () => {
  const rollBack = (play: Play) => {
    const error = new PgplexError("transaction_lost", "lost");
    return heard(play.owed.abandon({ error, inTransaction: false, rollsBack: true })).replace(/[^\w ]/g, "");
  };
  equal(rollBack(new Play().sent(Query)), "CROLLBACK ZI");
  equal(rollBack(new Play().sent(Bind, Execute, Sync)), "2 CROLLBACK ZI");
  const prepared = new Play().sentWith(Parse, "parse").sent(Bind, Execute, Sync);
  equal(rollBack(prepared), "1 2 CROLLBACK ZI");
  deepEqual(prepared.log, ["parse done"]);
  equal(rollBack(new Play().sent(Parse | Swallow, Bind, Execute, Sync)), "2 CROLLBACK ZI");
  // What is a statement's own answer here is not known, or was given in part.
  equal(rollBack(new Play().sent(Parse, Bind, Describe, Execute, Sync)), "40001 ZI");
  equal(rollBack(new Play().sent(Query, Query)), "40001 ZI 40001 ZI");
  equal(rollBack(new Play().sent(Bind, Execute)), "40001");
  equal(rollBack(new Play().sent(Parse, Bind, Execute, Sync).answered(Parse)), "40001 ZI");
});

/** Replies in short, by their types; of a CommandComplete its tag. */
function typesOf(replies: readonly Uint8Array[]): string {
  return replies.map((reply) => {
    const type = String.fromCharCode(reply[0]!);
    return type === "C" ? new TextDecoder().decode(reply.subarray(5, -1)) : type;
  }).join(" ");
}

Deno.test("a COMMIT that is put off is answered later: as the server would have, or by an error", () => {
  const cases: readonly [name: string, play: Play, committed: string][] = [
    ["simple", new Play().sent(Query), "COMMIT Z"],
    ["behind what pgplex asked", new Play().sent(Execute | Swallow, Sync | Swallow, Query), "COMMIT Z"],
    ["extended", new Play().sent(Parse, Bind, Describe, Execute, Sync), "1 2 n COMMIT Z"],
    ["without Describe", new Play().sent(Bind, Execute, Sync), "2 COMMIT Z"],
    ["prepared again by pgplex", new Play().sent(Parse | Swallow, Bind, Execute, Sync), "2 COMMIT Z"],
    ["partly answered", new Play().sent(Parse, Bind, Execute, Sync).answered(Parse), "2 COMMIT Z"],
  ];
  for (const [name, { owed }, committed] of cases) {
    const { length } = owed;
    equal(length > 0, true);
    const putOff = owed.putOff()!;
    equal(typesOf(putOff.committed()), committed, name);
    equal(owed.settled && !owed.skipping, true, name);
    const error = new PgplexError("server_lost", "lost", { sqlstate: "40001" });
    equal(typesOf(putOff.lost({ error, inTransaction: false })), "E Z", name);
  }
});

Deno.test("nothing is put off where something else is in flight, or nobody knows the answer", () => {
  const cases: Record<string, Play> = {
    "nothing is owed": new Play(),
    "two queries": new Play().sent(Query, Query),
    "two statements": new Play().sent(Bind, Execute, Bind, Execute, Sync),
    "no Sync yet": new Play().sent(Bind, Execute),
    "a statement is described": new Play().sent(Parse, Describe, Bind, Execute, Sync),
    "only a Sync": new Play().sent(Sync),
    "something behind it": new Play().sent(Query, Parse, Sync),
    "pgplex has to answer": new Play().sent(Query).local("x"),
  };
  for (const [name, { owed }] of Object.entries(cases)) {
    const { length } = owed;
    equal(owed.putOff(), null, name);
    equal(owed.length, length, name);
  }
});

Deno.test("what came with a COMMIT that is put off becomes true where that was done, else it is undone, the last first", () => {
  const play = () => new Play().sentWith(Parse, "parse").sentWith(Bind, "bind").sent(Execute, Sync);
  const done = play();
  done.owed.putOff()!.committed();
  deepEqual(done.log, ["parse done", "bind done"]);
  const lost = play();
  const putOff = lost.owed.putOff()!;
  deepEqual(lost.log, []);
  putOff.lost({ error: new PgplexError("server_lost", "lost"), inTransaction: false });
  deepEqual(lost.log, ["bind undone", "parse undone"]);
});
