import type { Acknowledgement } from "../arbiter/mod.ts";
import type { Member } from "./roll.ts";
import { ackOf, seenOf } from "./values.ts";

/**
 * What the other instances have acknowledged of one cluster. It holds for the life of an instance that has said it: where a record was removed by
 * hand epochs begin anew, and what an earlier life has said of one of them is about another move.
 */
export class Acknowledged {
  /** What was told last, by instance. */
  readonly #told = new Map<number, { readonly incarnation: string; readonly value: string }>();

  /** What an entry says; null where it is no news, or not of the present life of the instance. */
  take(instance: number, value: string, members: readonly Member[]): Acknowledgement | null {
    const ack = ackOf(value);
    const isOfNow = members.some(({ id, incarnation }) =>
      id === instance && incarnation === ack?.incarnation
    );
    if (ack === null || !isOfNow || this.#told.get(instance)?.value === value) return null;
    const { incarnation, epoch, startedAtMs, isDrained, seen } = ack;
    this.#told.set(instance, { incarnation, value });
    const moveMs = Number.isSafeInteger(startedAtMs) ? startedAtMs! : null;
    return { instance, epoch, startedAtMs: moveMs, isDrained, seen: seenOf(seen) };
  }

  /** Of each instance that lives anew: it holds for nothing yet. */
  renounce(members: readonly Member[]): Acknowledgement[] {
    const anew = members.filter(({ id, incarnation }) =>
      incarnation !== (this.#told.get(id)?.incarnation ?? incarnation)
    );
    for (const { id } of anew) this.#told.delete(id);
    return anew.map(({ id }) => ({ instance: id, epoch: 0, startedAtMs: 0, isDrained: false, seen: null }));
  }
}
