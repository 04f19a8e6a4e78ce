import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import fc from "fast-check";
import { Mark, NOT_OWED, Owed, OwedReplies } from "./owed.ts";

const { Parse, Bind, Execute, Close, Sync, Query } = Owed;

/** What a client sends: a kind, and what a server will make of it. */
interface Message {
  readonly kind: "parse" | "bind" | "execute" | "close" | "local" | "sync" | "query" | "copyEnd";
  readonly serial: number;
  readonly fails: boolean;
  /** An Execute or Query that reads COPY data until the next copyEnd. */
  readonly copies: boolean;
}

/** PostgreSQL's rules once more, as naively as can be: messages in, replies out. It does what is local itself. */
class NaiveServer {
  skipping = false;
  #copy: Message | null = null;

  answer(message: Message): string[] {
    const { kind, serial, fails, copies } = message;
    if (this.#copy !== null) {
      if (kind !== "copyEnd") return []; // a Sync is ignored, anything else is not sent
      const copy = this.#copy;
      this.#copy = null;
      if (!fails) {
        return copy.kind === "query" ? [`complete ${copy.serial}`, "ready"] : [`execute ${copy.serial}`];
      }
      if (copy.kind === "query") return ["error", "ready"];
      this.skipping = true;
      return ["error"];
    }
    if (kind === "sync") {
      this.skipping = false;
      return fails ? ["error", "ready"] : ["ready"];
    }
    if (this.skipping || kind === "copyEnd") return [];
    if (fails) {
      if (kind === "query") return ["error", "ready"];
      this.skipping = true;
      return ["error"];
    }
    if (copies) {
      this.#copy = message;
      return [`copyIn ${serial}`];
    }
    return kind === "query" ? [`complete ${serial}`, "ready"] : [`${kind} ${serial}`];
  }
}

/** A client, the queue, and a server without the local messages; what comes out where. */
class Driver {
  readonly owed = new OwedReplies();
  readonly server = new NaiveServer();
  /** What the client hears. */
  readonly heard: string[] = [];
  /** What became of each message with an effect, in order. */
  readonly effects: string[] = [];
  readonly #toServer: Message[] = [];
  readonly #toClient: string[] = [];

  send(message: Message): void {
    const { kind, serial } = message;
    const effect = {
      done: () => this.effects.push(`${serial} done`),
      undo: () => this.effects.push(`${serial} undone`),
    };
    switch (kind) {
      case "local": {
        const reply = this.owed.local(Close, { ...effect, reply: Uint8Array.of(serial) });
        if (reply !== null) this.heard.push(`local ${reply[0]}`);
        return;
      }
      case "copyEnd":
        this.owed.copyEnds();
        break;
      case "parse":
        this.owed.sent(Parse | Mark.Effect, effect);
        break;
      default:
        this.owed.sent({ bind: Bind, execute: Execute, close: Close, sync: Sync, query: Query }[kind]);
    }
    this.#toServer.push(message);
  }

  serve(): boolean {
    const message = this.#toServer.shift();
    if (message !== undefined) this.#toClient.push(...this.server.answer(message));
    return message !== undefined;
  }

  hear(): boolean {
    const reply = this.#toClient.shift();
    if (reply === undefined) return false;
    const { owed } = this;
    const [kind] = reply.split(" ");
    this.heard.push(reply);
    switch (kind) {
      case "ready":
        notEqual(owed.ready(), NOT_OWED);
        break;
      case "error":
        owed.error(undefined, () => {});
        break;
      case "copyIn":
        owed.copyStarts();
        break;
      case "complete":
        owed.commandEnds();
        break;
      case "execute":
        notEqual(owed.reply(Execute), NOT_OWED);
        owed.commandEnds();
        break;
      default:
        notEqual(owed.reply({ parse: Parse, bind: Bind, close: Close }[kind as "parse"]), NOT_OWED);
    }
    for (let local = owed.nextLocal(); local !== null; local = owed.nextLocal()) {
      this.heard.push(`local ${local[0]}`);
    }
    return true;
  }
}

/** Messages that a client may send in this order: a COPY is followed by its end, with nothing but Syncs before it. */
const messages: fc.Arbitrary<Message[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(
      ...[
        "parse",
        "bind",
        "execute",
        "close",
        "local",
        "sync",
        "sync",
        "query",
        "copy",
        "queryCopy",
      ] as const,
    ),
    fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    copyFails: fc.boolean(),
    syncs: fc.nat(2),
  }),
  { maxLength: 40, size: "max" },
).map((all) => {
  const messages: Message[] = [];
  const add = (kind: Message["kind"], fails: boolean, copies = false) =>
    messages.push({ kind, serial: messages.length, fails, copies });
  for (const { kind, fails, copyFails, syncs } of all) {
    if (kind === "copy" || kind === "queryCopy") {
      // One that fails before it begins answers the Syncs; that is the plain Execute's case.
      add(kind === "copy" ? "execute" : "query", false, true);
      for (let i = 0; i < syncs; i++) add("sync", false);
      add("copyEnd", copyFails);
    } else add(kind, kind === "local" ? false : fails);
  }
  add("sync", false);
  return messages;
});

Deno.test("OwedReplies agrees with a naive server, whatever is sent, fails, and overtakes what", () => {
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.nat(2)), (messages, choices) => {
      const driver = new Driver();
      const direct = new NaiveServer();
      const expected = messages.flatMap((message) => direct.answer(message));
      const unsent = [...messages];
      const actions = [
        () => {
          const message = unsent.shift();
          if (message !== undefined) driver.send(message);
          return message !== undefined;
        },
        () => driver.serve(),
        () => driver.hear(),
      ];
      for (let idle = 0; idle < 3;) {
        const first = choices.next().value as number;
        idle = [0, 1, 2].some((offset) => actions[(first + offset) % 3]!()) ? 0 : idle + 1;
      }
      deepEqual(driver.heard, expected);
      equal(driver.owed.settled, true);
      equal(driver.owed.skipping, driver.server.skipping);
      equal(driver.owed.copyIn, false);
      settledOnce(messages, driver);
    }),
    { numRuns: 2000 },
  );
});

/** Each effect was done if its reply was heard, and undone if not; done ones in order. */
function settledOnce(messages: readonly Message[], { heard, effects }: Driver): void {
  const withEffect = messages.filter(({ kind }) => kind === "parse" || kind === "local");
  const done = withEffect.filter(({ kind, serial }) => heard.includes(`${kind} ${serial}`));
  deepEqual(effects.filter((effect) => effect.endsWith(" done")), done.map(({ serial }) => `${serial} done`));
  deepEqual(
    effects.map((effect) => effect.split(" ")[0]).sort(),
    withEffect.map(({ serial }) => `${serial}`).sort(),
  );
}
