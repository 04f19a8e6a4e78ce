import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../kernel/mod.ts";
import { Back } from "../protocol/mod.ts";
import { Driver, type Message, messages, play } from "./owed_model_test.ts";

/** A client that holds what it hears against what it sent, message by message, by the protocol's rules. */
class NaiveClient {
  /** What it sends is dropped up to its Sync. */
  skipping = false;
  readonly #replies: readonly string[];
  /** Where the replies begin that were made in the server's place. */
  readonly #lostAt: number;
  #at = 0;
  #copy: Message | null = null;
  /** Requests of the batch that a Sync may commit. */
  #requests = 0;

  constructor(replies: readonly string[], lostAt: number) {
    this.#replies = replies;
    this.#lostAt = lostAt;
  }

  check(sent: readonly Message[]): void {
    for (const message of sent) this.#expect(message);
    // It waits for what it did not end.
    if (this.#copy?.kind === "query") this.#answered(this.#copy);
    else if (this.#copy !== null || (!this.skipping && this.#requests > 0)) {
      this.#take("error");
      this.skipping = true;
    }
    equal(this.#at, this.#replies.length, `nothing is left behind reply ${this.#at}`);
  }

  #expect(message: Message): void {
    const { kind, serial } = message;
    if (kind === "own" || kind === "ownSync" || kind === "copyData") return;
    if (this.#copy !== null) {
      if (kind !== "copyEnd") return; // a COPY ignores Syncs
      const copy = this.#copy;
      this.#copy = null;
      if (copy.kind === "query") this.#answered(copy);
      else if (this.#took("error")) this.skipping = true;
      else this.#take(`execute ${copy.serial}`);
      return;
    }
    if (kind === "sync") {
      if (!this.skipping) {
        const lost = this.#at >= this.#lostAt;
        const failed = this.#took("error");
        if (lost) {
          equal(failed, this.#requests > 0, "an error tells of a commit that is not known, and of no other");
        }
      }
      this.#take("ready");
      this.skipping = false;
      this.#requests = 0;
      return;
    }
    if (this.skipping || kind === "copyEnd") return;
    if (this.#took(`copyIn ${serial}`)) {
      this.#copy = message;
      if (kind === "execute") this.#requests++;
      return;
    }
    if (kind === "query") {
      this.#answered(message);
      return;
    }
    if (kind !== "local") this.#requests++;
    if (this.#took("error")) this.skipping = true;
    else this.#take(`${kind} ${serial}`);
  }

  /** A query's end; of one that was answered but for ReadyForQuery nobody tells whether it was all. */
  #answered({ serial }: Message): void {
    const complete = this.#took(`complete ${serial}`);
    if (!complete || this.#at >= this.#lostAt) this.#take("error");
    this.#take("ready");
    this.#requests = 0;
  }

  #took(reply: string): boolean {
    if (this.#replies[this.#at] !== reply) return false;
    this.#at++;
    return true;
  }

  #take(reply: string): void {
    equal(this.#replies[this.#at], reply, `reply ${this.#at}`);
    this.#at++;
  }
}

function kindOf(reply: Uint8Array): string {
  if (reply[0] === Back.ErrorResponse) return "error";
  return reply[0] === Back.ReadyForQuery ? "ready" : `local ${reply[0]}`;
}

Deno.test("OwedReplies.abandon gives a client all that it waits for, whatever was sent and answered before", () => {
  fc.assert(
    fc.property(
      messages,
      fc.infiniteStream(fc.nat(2)),
      fc.nat(120),
      fc.boolean(),
      (messages, choices, steps, inTransaction) => {
        const driver = new Driver();
        play(driver, messages, choices, steps);
        const { owed, heard, sent } = driver;
        const settled = driver.effects.length;
        const abandoned = owed.abandon({ error: new PgplexError("server_lost", "lost"), inTransaction });
        const replies = abandoned.replies.map(kindOf);

        const client = new NaiveClient([...heard, ...replies], heard.length);
        client.check(sent);
        equal(abandoned.skipping, client.skipping);
        equal(abandoned.told, replies.includes("error"));
        deepEqual([owed.settled, owed.readies, owed.copyIn], [true, 0, false]);

        const open = driver.effects.slice(settled);
        const undone = open.filter((effect) => effect.endsWith(" undone"));
        deepEqual(undone, undone.toSorted((one, other) => parseInt(other) - parseInt(one)));
        deepEqual(
          driver.effects.map((effect) => parseInt(effect)).sort((one, other) => one - other),
          sent.filter(({ kind }) => ["parse", "local", "own"].includes(kind)).map(({ serial }) => serial),
        );
      },
    ),
    { numRuns: 2000 },
  );
});
