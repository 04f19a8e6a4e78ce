import {
  Describing,
  Description,
  Mark,
  NO_ROW,
  Owed,
  type ServerConnection,
  type Statement,
} from "../../backend/mod.ts";
import { NAME_BYTES_MAX, PgplexError } from "../../kernel/mod.ts";
import { binaryString, encodeDescribeStatement, Front, HEAD_BYTES_MAX } from "../../protocol/mod.ts";
import { type ClientCursor, FLUSH } from "../client_cursor.ts";
import type { NamedStatement } from "./prepared_names.ts";
import type { Relay } from "../relay.ts";

/** What became of {@link ToldTypes.check}. */
export const Told = {
  /** The server's statement is as the client was told, or will be when it is made. */
  Holds: 0,
  /** The scan has to stop in front of the message: the server is asked. */
  Asked: 1,
  /** It returns something else. */
  Changed: 2,
} as const;

/** What returns what another statement or a cursor does: servers do not compare that with what it was before. */
const OF_ANOTHER = /^(?:\s|--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:EXECUTE|FETCH)\b/i;

const NO_BYTES = new Uint8Array(0);

/**
 * The types of named statements as the client heard them. Drivers rely on them for as long as the statement is theirs, as a
 * server's own statement keeps its types of parameters, and fails where it would return others. Here it may be made again on
 * another connection: with the types of parameters that the client was told, and once it is known to return the same. Pure.
 *
 * A client that never asked is told nothing, and costs nothing.
 */
export class ToldTypes {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  /** What is learnt of the statement that was made again for the message at which the scan has stopped. */
  #made: Description | null = null;
  /** That statement; null: the unnamed one, which had this serial. */
  #madeOf: Statement | null = null;
  #madeSerial = 0;
  #describing: Describing | null = null;
  /** The statement that was bound last, and where. */
  #bound: NamedStatement | null = null;
  #boundOn: ServerConnection | null = null;
  #boundIn = -1;
  /** Its portal's name, most often the empty one. */
  #portal = NO_BYTES;
  #portalBytes = 0;

  constructor(relay: Relay, cursor: ClientCursor) {
    this.#relay = relay;
    this.#cursor = cursor;
  }

  /** Before the Bind or Describe at hand of a named statement; one of {@link Told}. */
  check(named: NamedStatement): number {
    const { told } = named;
    if (told.parameters === null && told.row === null) return Told.Holds;
    const { server } = this.#cursor;
    return server.prepared.holdsAsTold(named.statement, server.settings.searchPath, told)
      ? Told.Holds
      : this.#compare(server, named);
  }

  #compare(server: ServerConnection, named: NamedStatement): number {
    const { prepared, owed, settings: { searchPath } } = server;
    const { told } = named;
    this.#type(server, named);
    const { statement } = named;
    if (
      prepared.inFlight.size > 0 &&
      this.#cursor.awaitWhile(() => prepared.inFlight.doubtful(statement, owed.batch))
    ) return Told.Asked;
    if (owed.copyIn || !this.#compares(named)) return Told.Holds;
    if (prepared.holdsAsTold(statement, searchPath, told)) return Told.Holds;
    const made = this.#made;
    const describing = this.#describing;
    this.#made = this.#describing = null;
    if (
      made !== null && made === prepared.descriptionOf(statement) && !prepared.isStale(statement, searchPath)
    ) {
      if (describing !== null && describing.pending) return Told.Holds; // in a COPY: nobody answers
      return made.row === told.row ? Told.Holds : Told.Changed;
    }
    this.#cursor.flush();
    this.#ask(server, named);
    return Told.Asked;
  }

  /** The server has it with other types of parameters, which other clients were told: it becomes a statement of its own. */
  #type({ prepared }: ServerConnection, named: NamedStatement): void {
    const { parameters } = named.told;
    const held = prepared.descriptionOf(named.statement)?.parameters ?? null;
    if (parameters !== null && held !== null && held !== parameters) {
      this.#relay.names.type(named, parameters);
    }
  }

  /** Whether what it returns has to be the same. */
  #compares({ statement, told }: NamedStatement): boolean {
    // What returns no rows never does, but for a CALL.
    if (told.row === null || told.row === NO_ROW) return false;
    // It is told at once.
    if (told.ofPortals && portalIsDescribed(this.#cursor)) return false;
    return !OF_ANOTHER.test(statement.definition.slice(0, HEAD_BYTES_MAX));
  }

  /** Makes it again, and waits to hear what it returns. */
  #ask(server: ServerConnection, { statement, told }: NamedStatement): void {
    this.#relay.onServer.make(server, statement, told.parameters);
    this.#await(server, statement, server.prepared.descriptionOf(statement)!);
  }

  #await(server: ServerConnection, statement: Statement | null, made: Description): void {
    const { prepared, out, owed } = server;
    out.put(encodeDescribeStatement(statement === null ? "" : statement.name));
    out.put(FLUSH as Uint8Array);
    const describing = new Describing(prepared.describing, statement, [made], false);
    owed.sent(Owed.Describe | Mark.Swallow | Mark.Effect, describing);
    this.#relay.progress.batchGoesOn();
    this.#made = made;
    this.#madeOf = statement;
    this.#madeSerial = this.#relay.names.unnamed.serial;
    this.#describing = describing;
    this.#cursor.awaitWhile(() => describing.pending && !owed.copyIn);
  }

  /** {@link check} of the unnamed statement. */
  checkUnnamed(): number {
    const { names } = this.#relay;
    const { server } = this.#cursor;
    const told = names.unnamed.told;
    const made = this.#madeOf === null && this.#madeSerial === names.unnamed.serial ? this.#made : null;
    const describing = this.#describing;
    this.#made = this.#describing = null;
    if (told === null) return Told.Holds;
    if (this.#relay.onServer.hasUnnamed(server)) {
      if (made === null || describing === null || describing.pending || made.row === told.row) {
        return Told.Holds;
      }
      server.unnamed.clear(); // asked for again, it is made once more
      return Told.Changed;
    }
    const { body } = names.unnamed;
    if (server.owed.copyIn || told.row === null || told.row === NO_ROW || body === null) return Told.Holds;
    if (OF_ANOTHER.test(binaryString(body, 1, Math.min(body.length, HEAD_BYTES_MAX)))) return Told.Holds;
    // What has to come before the statement would end it on the server.
    if (this.#relay.preamble.interferes(names.unnamed.fingerprint)) return Told.Holds;
    this.#cursor.flush();
    this.#relay.onServer.ensureUnnamed(server);
    this.#await(server, null, new Description());
    return Told.Asked;
  }

  /** A Describe of the unnamed statement goes to the server; see {@link describe}. */
  describeUnnamed(): Describing {
    const told = this.#relay.names.unnamed.describe();
    return new Describing(this.#cursor.server.prepared.describing, null, [told], false);
  }

  /** A Describe of the statement goes to the server: what the client is told is remembered. Null where it is known already. */
  describe({ statement, told }: NamedStatement): Describing | null {
    const { prepared } = this.#cursor.server;
    const held = prepared.descriptionOf(statement);
    if (held === null) return null;
    if (
      !told.ofPortals && told.parameters !== null && told.parameters === held.parameters &&
      told.row !== null && told.row === held.row
    ) return null;
    return new Describing(prepared.describing, statement, [told, held], false);
  }

  /** The Bind at hand goes to the server, whose portal's name ends at `portalEnd`; `named` is null for the unnamed statement. */
  binds(named: NamedStatement | null, portalEnd: number): void {
    const { server, bytes, bodyStart } = this.#cursor;
    const length = portalEnd - bodyStart;
    if (length > NAME_BYTES_MAX) named = null;
    this.#bound = named;
    if (named === null) return;
    this.#boundOn = server;
    this.#boundIn = server.owed.batch;
    this.#portalBytes = length;
    if (this.#portal.length < length) this.#portal = new Uint8Array(NAME_BYTES_MAX);
    for (let i = 0; i < length; i++) this.#portal[i] = bytes[bodyStart + i]!;
  }

  /** As {@link describe}, of the portal that the complete Describe at hand names. */
  describePortal(): Describing | null {
    const { server, bytes, bodyStart, messageEnd } = this.#cursor;
    const [start, end] = [bodyStart + 1, messageEnd - 1];
    const named = this.#bound;
    const { prepared, owed } = server;
    if (named === null || this.#boundOn !== server || this.#boundIn !== owed.batch) return null;
    if (end - start !== this.#portalBytes) return null;
    for (let i = start; i < end; i++) if (bytes[i] !== this.#portal[i - start]) return null;
    const held = prepared.descriptionOf(named.statement);
    if (held === null || (held.row !== null && held.row === named.told.row)) return null;
    return new Describing(prepared.describing, named.statement, [named.told, held], true);
  }
}

/** Whether behind the message at hand stands the Describe of a portal. */
function portalIsDescribed({ bytes, messageEnd, end }: ClientCursor): boolean {
  return messageEnd + 6 <= end && bytes[messageEnd] === Front.Describe && bytes[messageEnd + 5] === 0x50;
}

/** As servers say it; drivers that know of it parse the statement again. */
export function resultTypeChanged(): PgplexError {
  return new PgplexError("result_type_changed", "cached plan must not change result type", {
    routine: "RevalidateCachedQuery",
  });
}
