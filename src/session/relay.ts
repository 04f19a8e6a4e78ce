import {
  type Effect,
  InFlight,
  Mark,
  Owed,
  type ServerConnection,
  type Statement,
  type StatementStore,
} from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeError,
  encodeFront,
  Front,
  putBinary,
  TxStatus,
} from "../protocol/mod.ts";
import type { ByteSink } from "../transport/mod.ts";
import { PreparedNames } from "./prepared_names.ts";

/** A statement that no server has: binding it makes the server itself fail the batch, in the right place. */
const POISON: Readonly<Uint8Array> = encodeBind("pgplex_poison", []);

/** What both directions of one session share. Pure: it puts bytes into sinks and never awaits. */
export class Relay {
  readonly names: PreparedNames;
  /** Names for which a Parse or Close was sent and not answered yet. */
  readonly namesInFlight = new InFlight<BinaryString>();
  /** Towards the client. */
  readonly client: ByteSink;
  /** The leased server connection. */
  server: ServerConnection | null = null;
  /**
   * Whether prepared statements are renamed: in transaction pooling, where the next lease may be of another connection.
   * Session pooling leaves names as they are.
   */
  readonly renames: boolean;
  /** Statements kept on one server connection, at most. */
  preparedMax: number;
  /** A message to the server has begun and not ended: not a boundary. */
  midMessage = false;
  /** A message to the client has begun and not ended: not a boundary, and nothing else may be put there. */
  midReply = false;
  /** Answers of pgplex's own that wait for the end of that message. */
  #held: Uint8Array[] = [];
  /** Extended-query messages went to the server and no Sync behind them yet: not a boundary, even with all answered. */
  openBatch = false;
  /** The lease's boundary was reached: it may end once everything is written. */
  boundary = false;
  /** ReadyForQuery messages seen, that is, queries and batches. */
  queryCount = 0;

  constructor(client: ByteSink, store: StatementStore, options: { renames: boolean; preparedMax: number }) {
    this.client = client;
    this.names = new PreparedNames(store);
    this.renames = options.renames;
    this.preparedMax = options.preparedMax;
  }

  /** Notes whether the lease may end: nothing owed, no transaction, no half message. */
  checkBoundary(): void {
    const server = this.server;
    this.boundary = server !== null && !this.midMessage && !this.midReply && !this.openBatch &&
      server.txStatus === TxStatus.Idle && server.owed.settled &&
      !server.owed.skipping;
  }

  /** Makes sure that the server has `statement` when the next message arrives there. */
  ensureStatement(server: ServerConnection, statement: Statement): void {
    if (server.prepared.touch(statement)) return;
    server.out.put(statement.encodeParse());
    server.prepared.add(statement);
    server.prepared.inFlight.begin(statement, server.owed.batch);
    server.owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
      done: () => server.prepared.inFlight.settle(statement),
      undo: () => {
        server.prepared.inFlight.settle(statement);
        server.prepared.delete(statement);
      },
    });
    this.evictStatements(server);
  }

  /** Makes sure that the server's unnamed statement is this session's. Whether there is one at all. */
  ensureUnnamed(server: ServerConnection): boolean {
    const { names } = this;
    if (server.unnamedOwner === names && server.unnamedSerial === names.unnamedSerial) return true;
    const body = names.unnamed;
    if (body === null) return false;
    server.out.put(encodeFront(Front.Parse, body));
    this.ownUnnamed(server);
    server.owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
      done: () => server.unnamedInFlight--,
      undo: () => {
        if (--server.unnamedInFlight === 0) server.unnamedOwner = null;
      },
    });
    return true;
  }

  /** The server's unnamed statement is this session's, once the Parse that goes to it now is answered. */
  ownUnnamed(server: ServerConnection): void {
    server.unnamedOwner = this.names;
    server.unnamedSerial = this.names.unnamedSerial;
    server.unnamedInFlight++;
    server.unnamedBatch = server.owed.batch;
  }

  /** Whether an earlier batch decides what the server's unnamed statement is. */
  unnamedDoubtful(server: ServerConnection): boolean {
    return server.unnamedInFlight > 0 && server.unnamedBatch !== server.owed.batch;
  }

  /** Ends what is too much on the server, the longest unused first. */
  evictStatements(server: ServerConnection): void {
    for (;;) {
      const old = server.prepared.evict(this.preparedMax, server.owed.batch);
      if (old === null) return;
      this.closeOnServer(server, old);
    }
  }

  /** Closes a statement that was taken out of the server's set; skipped by the server, it is back in. */
  closeOnServer(server: ServerConnection, statement: Statement): void {
    server.out.put(statement.encodeClose());
    server.prepared.inFlight.begin(statement, server.owed.batch);
    server.owed.sent(Owed.Close | Mark.Swallow | Mark.Effect, {
      done: () => server.prepared.inFlight.settle(statement),
      undo: () => {
        server.prepared.inFlight.settle(statement);
        server.prepared.add(statement);
      },
    });
  }

  /**
   * Fails the client's batch with `error` where the server stands: the server is made to fail, so that it rolls back and
   * skips to Sync by itself, and its error is replaced.
   */
  poison(server: ServerConnection, error: PgplexError): void {
    server.out.put(POISON);
    server.owed.sent(Owed.Bind | Mark.Swallow | Mark.Effect | Mark.Replace, {
      done() {},
      undo() {},
      reply: encodeError("ERROR", error),
      replaces: "26000",
    });
  }

  /**
   * Fails the client's batch as a statement of this name exists, unless its definition fails by itself, or as the
   * transaction is aborted: servers look at the name last.
   */
  refuseDuplicate(server: ServerConnection, name: string, definition: BinaryString): void {
    const body = new Uint8Array(1 + definition.length);
    putBinary(body, 1, definition);
    server.out.put(encodeFront(Front.Parse, body));
    server.unnamedOwner = null;
    server.owed.sent(Owed.Parse | Mark.Swallow);
    this.poison(
      server,
      new PgplexError("duplicate_statement", `prepared statement "${name}" already exists`),
    );
  }

  /** Answers the client by pgplex itself, behind all that the server owes. */
  answer(kind: number, effect: Effect): void {
    const reply = this.server === null ? takeNow(effect) : this.server.owed.local(kind, effect);
    if (reply === null) return;
    if (this.midReply) this.#held.push(reply);
    else this.client.put(reply);
  }

  /** Whether answers wait for the end of the message that is passing to the client. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** That message has ended. */
  putHeld(): void {
    for (const reply of this.#held.splice(0)) this.client.put(reply);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through: no named statement is left, but for those that are made behind it. */
  forgetStatements(server: ServerConnection): void {
    server.prepared.forget();
    this.names.forget(this.namesInFlight);
  }
}

function takeNow(effect: Effect): Uint8Array | null {
  effect.done();
  return effect.reply ?? null;
}

/** A statement's name in an error, as PostgreSQL quotes it. */
export function missingStatement(name: string): PgplexError {
  return new PgplexError(
    "statement_missing",
    name === "" ? "unnamed prepared statement does not exist" : `prepared statement "${name}" does not exist`,
  );
}
