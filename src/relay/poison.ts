import { Mark, Owed, type ServerConnection } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeCloseStatement,
  encodeError,
  encodeFront,
  encodeParse,
  Front,
  putBinary,
} from "../protocol/mod.ts";

/** A statement that no server has: binding it makes the server itself fail the batch, in the right place. */
const POISON: Readonly<Uint8Array> = encodeBind("pgplex:poison", []);

/** Under this name servers parse what is refused if it can be parsed, and nowhere else. */
const TRIED: BinaryString = "pgplex:tried";
const CLOSE_TRIED: Readonly<Uint8Array> = encodeCloseStatement(TRIED);

/**
 * Fails the client's batch with `error` where the server stands: the server is made to fail, so that it rolls back and skips to
 * Sync by itself, and its error is replaced.
 */
export function poison(server: ServerConnection, error: PgplexError): void {
  server.out.put(POISON);
  server.owed.sent(Owed.Bind | Mark.Swallow | Mark.Effect | Mark.Replace, {
    done() {},
    undo() {},
    reply: encodeError("ERROR", error),
    replaces: "26000",
  });
}

/** {@link poison} for what stands in a text: an aborted transaction is told first, as servers do behind their parser. */
export function refuse(server: ServerConnection, error: PgplexError): void {
  poisonBehind(server, encodeParse(TRIED, "SELECT"), error);
}

/**
 * Fails the client's batch as a statement of this name exists, unless its definition fails by itself, or as the transaction is
 * aborted: servers look at the name last.
 *
 * @param definition a Parse's body behind the name
 */
export function refuseDuplicate(server: ServerConnection, name: string, definition: BinaryString): void {
  const body = new Uint8Array(TRIED.length + 1 + definition.length);
  putBinary(body, putBinary(body, 0, TRIED) + 1, definition);
  const error = new PgplexError("duplicate_statement", `prepared statement "${name}" already exists`);
  poisonBehind(server, encodeFront(Front.Parse, body), error);
}

/**
 * {@link poison}, unless `parse`, a Parse under the name {@link TRIED}, fails. What the server says of its text is for the client; the
 * server's unnamed statement stays, as the session may have to go on with it in an aborted transaction, where it cannot be made again.
 */
function poisonBehind(server: ServerConnection, parse: Uint8Array, error: PgplexError): void {
  const { out, owed } = server;
  // A cancel may have left the statement behind.
  out.put(CLOSE_TRIED);
  owed.sent(Owed.Close | Mark.Swallow);
  out.put(parse);
  owed.sent(Owed.Parse | Mark.Swallow | Mark.Replace);
  out.put(CLOSE_TRIED);
  owed.sent(Owed.Close | Mark.Swallow);
  poison(server, error);
}
