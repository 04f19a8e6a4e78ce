/** Notifications that one session may have waiting, at most. */
export const NOTIFICATIONS_MAX = 100_000;

/** Their bytes, at most. The bytes themselves are shared by all sessions that wait for the same notification. */
export const NOTIFICATION_BYTES_MAX = 16 << 20;

/** Complete messages for a client that is busy, or does not read, in order. Pure. */
export class NotificationQueue {
  #messages: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#messages.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Puts `message` at the end; false when it is too much, and then it is not kept. */
  push(message: Uint8Array): boolean {
    if (this.length >= NOTIFICATIONS_MAX || this.#bytes + message.length > NOTIFICATION_BYTES_MAX) {
      return false;
    }
    this.#messages.push(message);
    this.#bytes += message.length;
    return true;
  }

  /** Takes the first message out, or null. */
  shift(): Uint8Array | null {
    if (this.#head === this.#messages.length) return null;
    const message = this.#messages[this.#head++]!;
    this.#bytes -= message.length;
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  /** Drops everything. */
  clear(): void {
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
