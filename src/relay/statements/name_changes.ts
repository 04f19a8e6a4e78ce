import {
  type Description,
  type Effect,
  InFlight,
  type ServerConnection,
  type Statement,
  type StatementStore,
} from "../../backend/mod.ts";
import type { StandingOrder } from "../../options/mod.ts";
import type { BinaryString } from "../../protocol/mod.ts";
import type { Attention } from "../attention.ts";
import { CLOSE_COMPLETE } from "../replies.ts";
import { NameDrops } from "./name_drops.ts";
import type { PreparedNames } from "./prepared_names.ts";

/**
 * Changes of what the session's names of prepared statements stand for: those that are on their way. The session takes each for
 * done, as what stands behind it in the same batch relies on it; where the server fails or skips it, all is as before. Pure.
 */
export class NameChanges {
  /** What ends all names at once. */
  readonly drops = new NameDrops();
  readonly #names: PreparedNames;
  readonly #store: StatementStore;
  readonly #attention: Attention;
  /** Names for which a Parse or Close was sent and not answered yet. */
  readonly #inFlight = new InFlight<BinaryString>();

  constructor(names: PreparedNames, store: StatementStore, attention: Attention) {
    this.#names = names;
    this.#store = store;
    this.#attention = attention;
  }

  /** Whether any is on its way. */
  get pending(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Whether one of this name is on its way. */
  changes(name: BinaryString): boolean {
    return this.#inFlight.has(name);
  }

  /** Whether one of this name in another batch than `batch` is on its way: nobody knows yet what it will stand for. */
  doubtful(name: BinaryString, batch: number): boolean {
    return this.#inFlight.doubtful(name, batch);
  }

  /** Whether one in another batch than `batch` is on its way: nobody knows yet which names there will be. */
  anyDoubtful(batch: number): boolean {
    return this.#inFlight.anyDoubtful(batch);
  }

  /**
   * A Parse goes to the server in batch `batch` by which `name` stands for `statement`, of which one more use is counted already.
   *
   * `also`: what becomes true, or is undone, with it
   */
  make(
    name: BinaryString,
    { statement, order, path, batch, also }: NewStatement & { readonly batch: number; readonly also: Effect },
  ): Effect {
    const change = this.#begin(name, { made: statement, batch, also });
    this.#names.set(name, statement, { order, path });
    this.drops.makes(name);
    return change;
  }

  /** A DEALLOCATE ALL or DISCARD ALL is bound to this portal, whose Execute is looked for. */
  bindsDrop(portal: BinaryString): void {
    this.drops.binds(portal);
    this.#attention.begin();
  }

  /** A Close ends `name`, in batch `batch`. Its effect has the answer for the client. */
  end(name: BinaryString, batch: number, also: Effect | null = null): Effect {
    return this.#begin(name, { made: null, batch, also });
  }

  /** A Parse goes to the server in batch `batch` that makes what `name` stands for already. */
  repeat(name: BinaryString, batch: number, also: Effect): Effect {
    this.#inFlight.begin(name, batch);
    return new NameChange(this, name, { made: null, before: null, also });
  }

  #begin(
    name: BinaryString,
    { made, batch, also }: { made: Statement | null; batch: number; also: Effect | null },
  ): NameChange {
    const names = this.#names;
    const [order, told, path] = [names.orderOf(name), names.toldOf(name), names.pathOf(name)];
    const statement = names.remove(name);
    const before = statement === null
      ? null
      : { statement, order, path, told, drops: this.drops.before(name) };
    this.#inFlight.begin(name, batch);
    return new NameChange(this, name, { made, before, also });
  }

  /** One is over: what was before it is not needed any more. */
  settled(name: BinaryString, before: Before | null): void {
    this.#inFlight.settle(name);
    if (before !== null) this.#store.release(before.statement);
  }

  /** One did not happen: what was before it is there again, unless something took all names since. */
  undone(name: BinaryString, made: Statement | null, before: Before | null): void {
    this.#inFlight.settle(name);
    if (made !== null && this.#names.remove(name) !== null) this.#store.release(made);
    if (before === null) return;
    const { statement, order, path, told, drops } = before;
    if (this.drops.survived(drops)) {
      this.#names.set(name, statement, { order, path, told });
      if (order !== null && order.show !== null) this.#attention.begin();
    } else this.#store.release(statement);
  }

  /** A look at the server connection found that the session has deallocated `name` there. */
  deallocated(name: BinaryString): void {
    const statement = this.#names.remove(name);
    if (statement !== null) this.#store.release(statement);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through on `server`: no name is left, but for those that are made behind it. */
  allDropped({ foreignNames }: ServerConnection): void {
    this.drops.done();
    for (const name of foreignNames) if (!this.#inFlight.has(name)) foreignNames.delete(name);
    this.#names.forget(this.#inFlight);
  }
}

/** What a name is to stand for. */
export interface NewStatement {
  readonly statement: Statement;
  readonly order: StandingOrder | null;
  /** The search_path under which its client prepares it; null where that is not known. */
  readonly path: BinaryString | null;
}

/** What a name stood for before a change. */
interface Before extends NewStatement {
  readonly told: Description | null;
  /** As {@link NameDrops.survived} takes it. */
  readonly drops: number;
}

/** One of them. */
class NameChange implements Effect {
  readonly reply: Uint8Array = CLOSE_COMPLETE;
  readonly #all: NameChanges;
  readonly #name: BinaryString;
  readonly #made: Statement | null;
  readonly #before: Before | null;
  readonly #also: Effect | null;

  constructor(
    all: NameChanges,
    name: BinaryString,
    { made, before, also }: { made: Statement | null; before: Before | null; also: Effect | null },
  ) {
    this.#all = all;
    this.#name = name;
    this.#made = made;
    this.#before = before;
    this.#also = also;
  }

  done(): void {
    this.#all.settled(this.#name, this.#before);
    this.#also?.done();
  }

  undo(): void {
    this.#all.undone(this.#name, this.#made, this.#before);
    this.#also?.undo();
  }
}
