import { PgplexError } from "../../kernel/mod.ts";
import { columns } from "../answer/mod.ts";
import { type Command, Commands } from "../command/mod.ts";
import type { ClientMessage } from "../wire/mod.ts";
import { Dialogue } from "./dialogue.ts";
import { UNDIRECTED } from "./directives.ts";

const TEN = { columns: columns("n int4"), rows: Array.from({ length: 10 }, (_, n) => [n]) };

/** 300,000 cells. */
const MANY = {
  columns: columns("a int4, b int4, c int4, d int4, e int4, f int4"),
  rows: Array.from({ length: 50_000 }, (_, n) => [n]),
};

/** What stops an answer when `paces.canceled` is set. */
const CANCELED = new PgplexError("query_canceled", "canceling statement due to user request");

/** A dialogue with a few commands; `log` has what was run, `take` the types of what was sent. */
export function dialogue() {
  const log: string[] = [];
  const sent: Uint8Array[] = [];
  const defects: unknown[] = [];
  const paces = { count: 0, canceled: false };
  const command = (words: string, run: Command["run"]): Command => ({
    words: words.split(" "),
    access: "stats",
    run,
  });
  const commands = new Commands([
    command("SHOW TEN", () => TEN),
    command("SHOW MANY", () => MANY),
    command("SHOW", () => {
      throw new PgplexError("undefined_object", "no such thing");
    }),
    command("SET", (args) => (log.push(args.text(args.count - 1)), {})),
    command(
      "SLOW",
      async () => (await Promise.resolve(),
        log.push("slow"),
        { notices: [{ severity: "NOTICE", message: "m" }] }),
    ),
    command("BREAK", () => {
      throw new Error("a defect");
    }),
  ]);
  const it = new Dialogue({
    commands,
    directed: () => UNDIRECTED,
    apply() {},
    run: ({ command, args }, params) => command.run(args(params), undefined as never),
    inTransaction: () => false,
    send: (message) => void sent.push(message),
    pace: () => (paces.count++, paces.canceled ? Promise.reject(CANCELED) : null),
    defect: (thrown) => void defects.push(thrown),
  });
  const say = async (...messages: ClientMessage[]) => {
    for (const message of messages) await it.receive(message);
    return sent.splice(0).map(([type]) => String.fromCharCode(type!)).join("");
  };
  const malformed = (type: string) => {
    it.refuseMessage(type.charCodeAt(0), new PgplexError("protocol_violation", "invalid message format"));
    return sent.splice(0).map(([type]) => String.fromCharCode(type!)).join("");
  };
  return {
    say,
    receive: (message: ClientMessage) => it.receive(message),
    malformed,
    log,
    defects,
    paces,
    prepared: it.prepared,
  };
}

export const query = (text: string): ClientMessage => ({ kind: "query", text });
export const parse = (text: string, name = ""): ClientMessage => ({ kind: "parse", name, text, types: [] });
export const bind = (values: string[] = [], statement = ""): ClientMessage => ({
  kind: "bind",
  portal: "",
  statement,
  formats: [],
  values: values.map((value) => new TextEncoder().encode(value)),
  resultFormats: [],
});
export const execute = (rowsMax = 0): ClientMessage => ({ kind: "execute", portal: "", rowsMax });
export const describe = (target: "statement" | "portal", name = ""): ClientMessage => ({
  kind: "describe",
  target,
  name,
});
export const SYNC: ClientMessage = { kind: "sync" };
