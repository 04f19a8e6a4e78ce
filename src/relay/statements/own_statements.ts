import { Mark, Owed, type ServerConnection, type Statement, type StatementStore } from "../../backend/mod.ts";
import type { BinaryString } from "../../protocol/mod.ts";
import type { StandingOrder } from "../../options/mod.ts";
import type { Relay } from "../relay.ts";

/**
 * Prepared statements that stand on the server connection under the session's own names, since SQL named them in this lease:
 * made by PREPARE, or lent. SQL may have ended or replaced any of them meanwhile, in a text or out of sight. So the server
 * itself answers what the client asks of such a name, until the next probe says what there is. Pure.
 */
export class OwnStatements {
  readonly #relay: Relay;
  readonly #store: StatementStore;

  constructor(relay: Relay, store: StatementStore) {
    this.#relay = relay;
    this.#store = store;
  }

  /** Whether the server answers for this name. */
  has(server: ServerConnection, name: BinaryString): boolean {
    return server.foreignStatements.has(name) ||
      (this.#relay.isSqlStatement(name) && this.#relay.names.findName(name) === null);
  }

  /**
   * A Parse goes to the server under the client's name. What stands behind it in the batch sees `statement`, of which one
   * more use is counted already; where the server refuses, as it has one of that name, all is as before.
   */
  parse(
    server: ServerConnection,
    name: BinaryString,
    statement: Statement,
    order: StandingOrder | null,
  ): void {
    const { names, namesInFlight } = this.#relay;
    const { foreignStatements } = server;
    const wasForeign = foreignStatements.has(name);
    const [orderBefore, toldBefore] = [names.orderOf(name), names.toldOf(name)];
    const before = names.remove(name);
    const drops = this.#relay.drops.before(name);
    names.set(name, statement, order);
    foreignStatements.add(name);
    this.#relay.drops.makes(name);
    namesInFlight.begin(name, server.owed.batch);
    server.owed.sent(Owed.Parse | Mark.Effect, {
      done: () => {
        namesInFlight.settle(name);
        if (before !== null) this.#store.release(before);
      },
      undo: () => {
        namesInFlight.settle(name);
        if (names.remove(name) !== null) this.#store.release(statement);
        if (before !== null) this.#relay.restoreName(name, before, orderBefore, toldBefore, drops);
        if (!wasForeign) foreignStatements.delete(name);
      },
    });
  }

  /** A Close goes to the server under the client's name. */
  close(server: ServerConnection, name: BinaryString): void {
    const { names, namesInFlight } = this.#relay;
    const { foreignStatements } = server;
    const wasForeign = foreignStatements.delete(name);
    const sql = this.#relay.sqlStatements.get(name);
    this.#relay.forgetSqlStatement(name);
    const [order, told, statement] = [names.orderOf(name), names.toldOf(name), names.remove(name)];
    const drops = this.#relay.drops.before(name);
    const { count } = this.#relay.drops;
    namesInFlight.begin(name, server.owed.batch);
    server.owed.sent(Owed.Close | Mark.Effect, {
      done: () => {
        namesInFlight.settle(name);
        if (statement !== null) this.#store.release(statement);
      },
      undo: () => {
        namesInFlight.settle(name);
        if (statement !== null) this.#relay.restoreName(name, statement, order, told, drops);
        if (wasForeign) foreignStatements.add(name);
        if (sql !== undefined && this.#relay.drops.count === count) {
          this.#relay.sqlStatements = new Map([...this.#relay.sqlStatements, [name, sql]]);
        }
      },
    });
  }
}
