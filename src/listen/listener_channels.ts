import type { BinaryString } from "../protocol/mod.ts";

/**
 * Who listens to what on one shared listener, and whose markers are on their way. Pure.
 *
 * Invariant: each channel has at least one member.
 */
export class ListenerChannels<Member> {
  readonly #members = new Map<BinaryString, Set<Member>>();
  readonly #channels = new Map<Member, Set<BinaryString>>();
  readonly #markers = new Map<number, Member>();

  /** Number of channels. */
  get size(): number {
    return this.#members.size;
  }

  /** Every channel. */
  names(): Iterable<BinaryString> {
    return this.#members.keys();
  }

  /** Everybody who listens to something. */
  members(): Iterable<Member> {
    return this.#channels.keys();
  }

  /** Each channel with the number of its members. */
  *counts(): Generator<{ channel: BinaryString; sessions: number }> {
    for (const [channel, { size }] of this.#members) yield { channel, sessions: size };
  }

  /** Who listens to `channel`. */
  of(channel: BinaryString): Iterable<Member> {
    return this.#members.get(channel) ?? [];
  }

  /** `member` listens to `channels` too. @returns those that nobody had listened to. */
  add(member: Member, channels: Iterable<BinaryString>): BinaryString[] {
    const fresh: BinaryString[] = [];
    let own = this.#channels.get(member);
    for (const channel of channels) {
      if (own === undefined) this.#channels.set(member, own = new Set());
      own.add(channel);
      const members = this.#members.get(channel);
      if (members === undefined) {
        this.#members.set(channel, new Set([member]));
        fresh.push(channel);
      } else members.add(member);
    }
    return fresh;
  }

  /** `member` listens to nothing but those of its channels that are in `keep`. @returns channels to which nobody is left. */
  retain(member: Member, keep: ReadonlySet<BinaryString>): BinaryString[] {
    const own = this.#channels.get(member);
    if (own === undefined) return [];
    const left: BinaryString[] = [];
    for (const channel of own) {
      if (keep.has(channel)) continue;
      own.delete(channel);
      const members = this.#members.get(channel)!;
      members.delete(member);
      if (members.size === 0) {
        this.#members.delete(channel);
        left.push(channel);
      }
    }
    if (own.size === 0) this.#channels.delete(member);
    return left;
  }

  /** Marker `serial` will come for `member`, or never. */
  expect(serial: number, member: Member): void {
    this.#markers.set(serial, member);
  }

  /** Marker `serial` came, or will not come any more. @returns whose it is, or null. */
  takeMarker(serial: number): Member | null {
    const member = this.#markers.get(serial) ?? null;
    this.#markers.delete(serial);
    return member;
  }

  /** No marker that is on its way will come. */
  forgetMarkers(): void {
    this.#markers.clear();
  }
}
