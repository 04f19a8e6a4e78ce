import {
  type Effect,
  Mark,
  Owed,
  type PreparedSet,
  type ServerConnection,
  type Statement,
} from "../../backend/mod.ts";
import { type BinaryString, encodeFront, Front } from "../../protocol/mod.ts";
import type { RelayCounts } from "../counts.ts";
import type { PreparedNames } from "./prepared_names.ts";
import { readAs, readingAt, unnamedReadingAt } from "./read_as.ts";

/**
 * The session's statements as a server connection must have them: under pgplex's names, made there when they are used, and ended
 * when there are too many; and the unnamed one. Pure.
 */
export class ServerStatements {
  readonly #names: PreparedNames;
  readonly #counts: RelayCounts;
  #max: number;

  /** @param max how many are kept on one server connection */
  constructor(names: PreparedNames, counts: RelayCounts, max: number) {
    this.#names = names;
    this.#counts = counts;
    this.#max = max;
  }

  /** Another number of them is kept on one server connection from now on. */
  limitTo(max: number): void {
    this.#max = max;
  }

  /**
   * Makes sure that the server has `statement` when the next message arrives there, with the types of `parameters` that the
   * client was told, if it was.
   */
  ensure(server: ServerConnection, statement: Statement, parameters: BinaryString | null): void {
    const { prepared } = server;
    if (
      prepared.touch(statement) && !prepared.isStale(statement, server.settings.searchPath) &&
      (parameters === null || prepared.descriptionOf(statement)!.parameters === parameters)
    ) return;
    this.make(server, statement, parameters);
  }

  /** Makes `statement` on the server, again where it has it. */
  make(server: ServerConnection, statement: Statement, parameters: BinaryString | null): void {
    this.closeIfHeld(server, statement);
    const { searchPath: path } = server.settings;
    readAs(server, { literals: readingAt(server, statement), path }, () => {
      server.out.put(statement.encodeParse(statement.name, parameters));
      this.#counts.internalParseSent();
      server.owed.sent(
        Owed.Parse | Mark.Swallow | Mark.Effect,
        this.#made(server, statement, parameters),
      );
    });
    this.evict(server);
  }

  /**
   * As {@link make}, where the client is to hear what the server says of it now: the reply is the client's.
   *
   * @returns what is to be owed with it; {@link evict} has to follow
   */
  parse(server: ServerConnection, statement: Statement): Effect {
    this.closeIfHeld(server, statement);
    server.out.put(statement.encodeParse());
    return this.#made(server, statement, null);
  }

  #made(server: ServerConnection, statement: Statement, parameters: BinaryString | null): Effect {
    const { prepared, settings, owed } = server;
    prepared.add(statement, settings.searchPath, parameters);
    prepared.inFlight.begin(statement, owed.batch);
    return new PreparedChange(prepared, statement, true);
  }

  /** Ends `statement` on the server, if that has it. */
  closeIfHeld(server: ServerConnection, statement: Statement): void {
    if (!server.prepared.touch(statement)) return;
    server.prepared.delete(statement);
    this.#close(server, statement);
  }

  /** Ends all of them on the server. */
  closeAll(server: ServerConnection): void {
    for (const statement of server.prepared.all()) {
      server.prepared.delete(statement);
      this.#close(server, statement);
    }
  }

  /** Ends what is too much on the server, the longest unused first. */
  evict(server: ServerConnection): void {
    for (;;) {
      const old = server.prepared.evict(this.#max, server.owed.batch);
      if (old === null) return;
      this.#close(server, old);
    }
  }

  /** Closes a statement that was taken out of the server's set. */
  #close({ out, owed, prepared }: ServerConnection, statement: Statement): void {
    out.put(statement.encodeClose());
    prepared.inFlight.begin(statement, owed.batch);
    owed.sent(Owed.Close | Mark.Swallow | Mark.Effect, new PreparedChange(prepared, statement, false));
  }

  // The unnamed one.

  /** Whether the server's unnamed statement is this session's. */
  hasUnnamed({ unnamed }: ServerConnection): boolean {
    return unnamed.holds(this.#names, this.#names.unnamed.serial);
  }

  /** Makes sure of {@link hasUnnamed}. Whether there is one at all. */
  ensureUnnamed(server: ServerConnection): boolean {
    if (this.hasUnnamed(server)) return true;
    const body = this.#names.unnamed.typedBody;
    if (body === null) return false;
    const { out, owed, unnamed, settings: { searchPath: path } } = server;
    const literals = unnamedReadingAt(server, { body, reading: this.#names.unnamed.reading });
    readAs(server, { literals, path }, () => {
      out.put(encodeFront(Front.Parse, body));
      this.#counts.internalParseSent();
      this.unnamedSent(server);
      owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
        done: () => unnamed.parsed(),
        undo: () => unnamed.parseFailed(),
      });
    });
    return true;
  }

  /** A Parse of the session's unnamed statement goes to the server. */
  unnamedSent({ unnamed, owed }: ServerConnection): void {
    unnamed.parseSent(this.#names, this.#names.unnamed.serial, owed.batch);
  }
}

/** A statement is made or ended on a server under pgplex's name; skipped, the server has it no more, or has it still. */
class PreparedChange implements Effect {
  readonly #prepared: PreparedSet;
  readonly #statement: Statement;
  readonly #made: boolean;

  constructor(prepared: PreparedSet, statement: Statement, made: boolean) {
    this.#prepared = prepared;
    this.#statement = statement;
    this.#made = made;
  }

  done(): void {
    this.#prepared.inFlight.settle(this.#statement);
  }

  undo(): void {
    this.#prepared.inFlight.settle(this.#statement);
    if (this.#made) this.#prepared.delete(this.#statement);
    else this.#prepared.add(this.#statement);
  }
}
