import assert from "node:assert/strict";
import type { WireMessage } from "./mod.ts";

/** Something of which only is known that it became true between two moments: it was asked for, and it was answered. */
interface Span {
  from: number;
  to: number;
}

interface Sent extends Span {
  readonly channel: string;
  readonly payload: string;
}

/** From LISTEN to UNLISTEN. */
interface Period {
  readonly channel: string;
  readonly begin: Span;
  /**
   * Notifications from here on may come. A session that listens to something already reads no notifications inside a
   * transaction, and at its end those for what it listens to then: also those sent before a LISTEN in it.
   */
  readonly mayFrom: () => number;
  readonly end: Span;
  /** What has not come when it ends may be left out: DISCARD ALL takes it back. */
  discarded: boolean;
}

/** The notifications of all sessions, on a clock of their own that counts what happens. */
export class Notifications {
  readonly sent: Sent[] = [];
  #now = 0;

  /** The next moment. */
  tick(): number {
    return ++this.#now;
  }
}

/**
 * What one session notifies and listens to, and what of everybody's notifications it must, may and must not get. What it does
 * inside a transaction becomes true with its COMMIT, or not at all.
 */
export class ChannelsModel {
  readonly #all: Notifications;
  readonly #id: number;
  readonly #periods: Period[] = [];
  readonly #received = new Set<string>();
  /** The last number that came from each session. */
  readonly #lastOf = new Map<string, number>();
  #serial = 0;
  /** What the open transaction asks for, in its order; null outside of one. */
  #pending: ((span: Span) => void)[] | null = null;
  /** The last moment before the open transaction, or before now. */
  #idleSince = 0;

  constructor(all: Notifications, id: number) {
    this.#all = all;
    this.#id = id;
  }

  /** Channels that the session listens to now, outside of a transaction. */
  get listening(): readonly string[] {
    return this.#periods.filter(({ end }) => end.from === Infinity).map(({ channel }) => channel);
  }

  /** A payload that nobody else sends. */
  nextPayload(): string {
    return `${this.#id}-${++this.#serial}`;
  }

  get receivedCount(): number {
    return this.#received.size;
  }

  begin(): void {
    this.#idleSince = this.#all.tick();
    this.#pending = [];
  }

  /** `work` is COMMIT. */
  async commit<T>(work: () => Promise<T>): Promise<T> {
    const pending = this.#pending!;
    this.#pending = null;
    const span = { from: this.#all.tick(), to: Infinity };
    for (const change of pending) change(span);
    const result = await work();
    span.to = this.#all.tick();
    return result;
  }

  rollback(): void {
    this.#pending = null;
  }

  /** `work` does this now, or with its transaction. */
  async listen<T>(channel: string, work: () => Promise<T>): Promise<T> {
    const from = this.#pending !== null && this.listening.length > 0 ? this.#idleSince : Infinity;
    return await this.#change((span) => {
      if (this.listening.includes(channel)) return;
      const end = { from: Infinity, to: Infinity };
      const mayFrom = () => Math.min(from, span.from);
      this.#periods.push({ channel, begin: span, mayFrom, end, discarded: false });
    }, work);
  }

  /** UNLISTEN of one channel, or of all for null. */
  async unlisten<T>(channel: string | null, work: () => Promise<T>, discards = false): Promise<T> {
    if (this.#pending === null) this.#idleSince = this.#all.tick();
    const from = this.#idleSince;
    return await this.#change((span) => {
      for (const period of this.#periods) {
        if (period.end.from < Infinity || (channel !== null && period.channel !== channel)) continue;
        period.discarded = discards;
        // What comes while the transaction is open waits for its end, and is then not listened to any more.
        period.end.from = from;
        this.#ends.push([period, span]);
      }
    }, work);
  }

  /** The moments at which UNLISTEN was answered, as they become known. */
  readonly #ends: [Period, Span][] = [];

  async notify<T>(channel: string, payload: string, work: () => Promise<T>): Promise<T> {
    return await this.#change((span) => {
      const sent: Sent = {
        channel,
        payload,
        from: span.from,
        get to() {
          return span.to;
        },
      };
      this.#all.sent.push(sent);
    }, work);
  }

  async #change<T>(change: (span: Span) => void, work: () => Promise<T>): Promise<T> {
    if (this.#pending !== null) {
      this.#pending.push(change);
      return await work();
    }
    this.#pending = [change];
    return await this.commit(work);
  }

  /** Checks each notification among `messages`. */
  take(messages: readonly WireMessage[]): void {
    for (const { notification } of messages) {
      if (notification === undefined) continue;
      const { channel, payload } = notification;
      const sent = this.#all.sent.find((sent) => sent.channel === channel && sent.payload === payload);
      assert.ok(sent !== undefined, `a notification that was rolled back: ${channel} ${payload}`);
      assert.ok(!this.#received.has(payload), `a notification that came twice: ${channel} ${payload}`);
      this.#received.add(payload);
      const mayCome = this.#periods.some((period) =>
        period.channel === channel && sent.to >= period.mayFrom() && sent.from <= this.#endOf(period)
      );
      assert.ok(mayCome, `a notification that nobody listens to: ${channel} ${payload}`);
      const [sender, serial] = payload.split("-") as [string, string];
      const last = this.#lastOf.get(sender) ?? 0;
      assert.ok(Number(serial) > last, `${payload} came behind ${sender}-${last}`);
      this.#lastOf.set(sender, Number(serial));
    }
  }

  #endOf(period: Period): number {
    return this.#ends.find(([ended]) => ended === period)?.[1].to ?? Infinity;
  }

  /** What must have come, if everything has that was sent before now, and has not. */
  get missing(): string[] {
    return this.#all.sent.filter(({ channel, payload, from, to }) =>
      !this.#received.has(payload) &&
      this.#periods.some((period) =>
        period.channel === channel && !period.discarded && from > period.begin.to && to < period.end.from
      )
    ).map(({ channel, payload }) => `${channel} ${payload}`);
  }
}
