/** A login that has not ended. */
export interface LoginDeadline {
  /** In clock milliseconds. */
  readonly untilMs: number;
  /** The time is over. Must not throw. */
  late(): void;
}

/**
 * Logins that must end in time. Nearly all end within milliseconds, thousands a second in a storm of connections: one look at those
 * that are open, ten times a second, costs less than a timer for each.
 */
export class LoginDeadlines {
  readonly #open = new Set<LoginDeadline>();
  readonly #begins: () => void;

  /** `begins` hears of each login. */
  constructor(begins: () => void = () => {}) {
    this.#begins = begins;
  }

  /** The login begins. */
  begin(deadline: LoginDeadline): void {
    this.#open.add(deadline);
    this.#begins();
  }

  /** The login has ended, in whatever way. */
  end(deadline: LoginDeadline): void {
    this.#open.delete(deadline);
  }

  /** Ends what is late. Each is told once. */
  tick(nowMs: number): void {
    for (const deadline of this.#open) {
      if (deadline.untilMs > nowMs) continue;
      this.#open.delete(deadline);
      deadline.late();
    }
  }
}
