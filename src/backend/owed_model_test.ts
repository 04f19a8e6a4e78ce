import { notStrictEqual as notEqual } from "node:assert/strict";
import fc from "fast-check";
import { NOT_OWED, OwedReplies } from "./owed.ts";
import { Mark, Owed } from "./owed_entries.ts";

const { Parse, Bind, Execute, Close, Sync, Query } = Owed;

/** What a client sends, or pgplex for itself (`own`, `ownSync`): a kind, and what a server will make of it. */
export interface Message {
  readonly kind:
    | "parse"
    | "bind"
    | "execute"
    | "close"
    | "local"
    | "sync"
    | "query"
    | "copyData"
    | "copyEnd"
    | "own"
    | "ownSync";
  readonly serial: number;
  readonly fails: boolean;
  /** An Execute or Query that reads COPY data until the next copyEnd. */
  readonly copies: boolean;
}

/** PostgreSQL's rules once more, as naively as can be: messages in, replies out. It does what is local itself. */
export class NaiveServer {
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
    if (kind === "ownSync") {
      this.skipping = false;
      return ["ownReady"];
    }
    if (kind === "sync") {
      const commits = !this.skipping;
      this.skipping = false;
      return fails && commits ? ["error", "ready"] : ["ready"];
    }
    if (this.skipping || kind === "copyData" || kind === "copyEnd") return [];
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
export class Driver {
  readonly owed = new OwedReplies();
  readonly server = new NaiveServer();
  /** What was sent, in order. */
  readonly sent: Message[] = [];
  /** What the client hears. */
  readonly heard: string[] = [];
  /** Replies to what pgplex sent for itself. */
  readonly swallowed: string[] = [];
  /** What became of each message with an effect, in order. */
  readonly effects: string[] = [];
  readonly #toServer: Message[] = [];
  readonly #toClient: string[] = [];

  send(message: Message): void {
    const { kind, serial } = message;
    this.sent.push(message);
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
      case "copyData":
        this.owed.copyData();
        break;
      case "copyEnd":
        this.owed.copyEnds();
        break;
      case "own":
        this.owed.sent(Parse | Mark.Swallow | Mark.Effect, effect);
        break;
      case "ownSync":
        this.owed.sent(Sync | Mark.Swallow);
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
    (reply.startsWith("own") ? this.swallowed : this.heard).push(reply);
    switch (kind) {
      case "ready":
      case "ownReady":
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
        notEqual(
          owed.reply({ own: Parse, parse: Parse, bind: Bind, close: Close }[kind as "parse"]),
          NOT_OWED,
        );
    }
    for (let local = owed.nextLocal(); local !== null; local = owed.nextLocal()) {
      this.heard.push(`local ${local[0]}`);
    }
    return true;
  }
}

/**
 * Messages in an order in which they may be sent: a COPY is followed by its end, with nothing but data and Syncs before it, and
 * pgplex sends a Sync of its own only where no batch is open.
 */
export const messages: fc.Arbitrary<Message[]> = fc.array(
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
        "own",
        "copy",
        "queryCopy",
      ] as const,
    ),
    fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    copyFails: fc.boolean(),
    syncs: fc.nat(2),
    data: fc.boolean(),
  }),
  { maxLength: 40, size: "max" },
).map((all) => {
  const messages: Message[] = [];
  const add = (kind: Message["kind"], fails: boolean, copies = false) =>
    messages.push({ kind, serial: messages.length, fails, copies });
  let open = false;
  for (const { kind, fails, copyFails, syncs, data } of all) {
    if (kind === "copy" || kind === "queryCopy") {
      // One that fails before it begins answers the Syncs; that is the plain Execute's case.
      add(kind === "copy" ? "execute" : "query", false, true);
      for (let i = 0; i < syncs; i++) {
        add("sync", false);
        if (data) add("copyData", false);
      }
      add("copyEnd", copyFails);
    } else add(kind, kind === "local" || kind === "own" ? false : fails);
    if (kind === "own" && !open) add("ownSync", false);
    else if (kind === "sync") open = false;
    else if (kind !== "local" && kind !== "query" && kind !== "queryCopy") open = true;
  }
  add("sync", false);
  return messages;
});

/** Lets sending, serving and hearing overtake each other by `choices`, until nothing is left or `steps` were taken. */
export function play(
  driver: Driver,
  messages: readonly Message[],
  choices: Iterator<number>,
  steps = Infinity,
): void {
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
  for (let idle = 0, taken = 0; idle < 3 && taken < steps; taken++) {
    const first = choices.next().value as number;
    idle = [0, 1, 2].some((offset) => actions[(first + offset) % 3]!()) ? 0 : idle + 1;
  }
}
