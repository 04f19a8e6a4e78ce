import {
  type Effect,
  encodingIn,
  Mark,
  Owed,
  readIn,
  type ServerConnection,
  type Statement,
} from "../../backend/mod.ts";
import { type BinaryString, type ClientEncoding, isAscii } from "../../protocol/mod.ts";
import type { Progress } from "../progress.ts";
import type { TransactionControl } from "../transaction_control.ts";
import type { NameChanges, NewStatement } from "./name_changes.ts";
import type { PreparedNames } from "./prepared_names.ts";
import { isAnalyzed, readAs, readingAt } from "./read_as.ts";
import type { Lending, SqlStatements } from "./sql_statements.ts";

/** What statements under the client's names depend on. */
export interface ClientNamedParts {
  readonly encoding: ClientEncoding;
  readonly names: PreparedNames;
  readonly changes: NameChanges;
  readonly sql: SqlStatements;
  readonly control: TransactionControl;
  readonly progress: Progress;
}

/**
 * Prepared statements that stand on the server connection under the client's names, since SQL named them in this lease:
 * made by PREPARE, or lent. SQL may have ended or replaced any of them meanwhile, in a text or out of sight. So the server
 * itself answers what the client asks of such a name, until the next probe says what there is. Pure.
 */
export class ClientNamed {
  readonly #parts: ClientNamedParts;

  constructor(parts: ClientNamedParts) {
    this.#parts = parts;
  }

  /** Whether the server answers for this name. */
  has(server: ServerConnection, name: BinaryString): boolean {
    const { names, sql } = this.#parts;
    return server.foreignNames.has(name) || (sql.mayBe(name) && names.findName(name) === null);
  }

  /** SQL names statements that stand on the server next: it is made to have them under these names, for this lease. */
  ensure(server: ServerConnection, wanted: Iterable<BinaryString>, lending: Lending): void {
    const { names, sql } = this.#parts;
    for (const name of wanted) {
      // One that was made behind a DEALLOCATE ALL still on its way takes the name of what that ends.
      if (names.findName(name) !== null) this.#lend(server, name, lending);
      else sql.ensure(server, name, lending);
    }
  }

  /** The server is made to have one that came by Parse. */
  #lend(server: ServerConnection, name: BinaryString, { simple, sure }: Lending): void {
    const { names, changes, control, progress } = this.#parts;
    const { foreignNames, owed, out } = server;
    if (names.findName(name) === null || foreignNames.has(name)) return;
    if (control.refuses(server) || changes.drops.frees(owed, name)) return;
    if (!changes.changes(name)) names.used(name, server.settings.reading.literals);
    const statement = names.findName(name)!;
    const how = this.#writing(server, statement, name);
    if (how === null) return;
    const { reading: literals, written } = how;
    // As where it was prepared: what it names may be missing now, and its result have another type.
    const then = sure && isAnalyzed(statement.definition) ? names.pathOf(name) : null;
    const path = then ?? server.settings.searchPath;
    readAs(server, { literals, path }, () => {
      out.put(statement.encodeParse(written, names.toldOf(name)?.parameters));
      const also = new ForeignNameChange(foreignNames, name, true);
      owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, changes.repeat(name, owed.batch, also));
    });
    progress.syncAhead(server, simple);
  }

  /** How a Parse is written whose name and text may be in different encodings; null where that cannot be done. */
  #writing(
    server: ServerConnection,
    statement: Statement,
    name: BinaryString,
  ): { reading: BinaryString; written: BinaryString } | null {
    const reading = readingAt(server, statement);
    const textIn = encodingIn(reading);
    const written = this.#parts.encoding.toClient(name, textIn);
    if (written !== null) return { reading, written };
    const { definition } = statement;
    const isKept = textIn === server.reported.values.get("server_encoding") ||
      isAscii(definition.slice(0, definition.indexOf("\0")));
    return isKept ? { reading: readIn(reading, "SQL_ASCII"), written: name } : null;
  }

  /**
   * A Parse goes to the server under the client's name. What stands behind it in the batch sees its statement, of which one
   * more use is counted already; where the server refuses, as it has one of that name, all is as before.
   */
  parse(
    { foreignNames, owed }: ServerConnection,
    name: BinaryString,
    { statement, order, path }: NewStatement,
  ): void {
    const also = new ForeignNameChange(foreignNames, name, true);
    const change = this.#parts.changes.make(name, { statement, order, path, batch: owed.batch, also });
    owed.sent(Owed.Parse | Mark.Effect, change);
  }

  /** A Close goes to the server under the client's name. */
  close({ foreignNames, owed }: ServerConnection, name: BinaryString): void {
    const { changes, sql } = this.#parts;
    const also = new ForeignNameChange(foreignNames, name, false, sql.close(name));
    owed.sent(Owed.Close | Mark.Effect, changes.end(name, owed.batch, also));
  }
}

/** A name is taken on the server, or free there, from now on; undone, it is as before. */
class ForeignNameChange implements Effect {
  readonly #foreign: Set<BinaryString>;
  readonly #name: BinaryString;
  readonly #taken: boolean;
  readonly #was: boolean;
  readonly #also: Effect | null;

  constructor(foreign: Set<BinaryString>, name: BinaryString, taken: boolean, also: Effect | null = null) {
    this.#foreign = foreign;
    this.#name = name;
    this.#taken = taken;
    this.#was = foreign.has(name);
    this.#also = also;
    this.#set(taken);
  }

  done(): void {}

  undo(): void {
    if (this.#was !== this.#taken) this.#set(this.#was);
    this.#also?.undo();
  }

  #set(taken: boolean): void {
    if (taken) this.#foreign.add(this.#name);
    else this.#foreign.delete(this.#name);
  }
}
