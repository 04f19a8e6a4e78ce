/** What it needs. */
export interface PermitParts {
  readonly nowMs: () => number;
  /** Until when the store has given one, in clock milliseconds. */
  readonly untilMs: () => number;
  /** Whether the primary shows by itself, now, that no other node was promoted, and that is enough. */
  readonly isWitnessed: () => boolean;
  /** Whether there is one has changed. */
  readonly changed: () => void;
  readonly say: (level: "info" | "warning" | "error", text: string) => void;
}

/**
 * Whether transactions may begin on the primary of a cluster: until the end of what the store has given. With `failsafe: witness` who
 * had it goes on while the primary is its own witness.
 */
export class Permit {
  readonly #parts: PermitParts;
  #has = false;
  #isWitnessed = false;
  /** Its end was said, and is to be taken back. */
  #isMissed = false;

  constructor(parts: PermitParts) {
    this.#parts = parts;
  }

  get has(): boolean {
    return this.#has;
  }

  /** It may have begun or ended. */
  look(): void {
    const { nowMs, untilMs, isWitnessed, changed } = this.#parts;
    const isOver = nowMs() >= untilMs();
    const wasWitnessed = this.#isWitnessed;
    this.#isWitnessed = isOver && this.#has && isWitnessed();
    if (wasWitnessed !== this.#isWitnessed) this.#say(isOver);
    const has = !isOver || this.#isWitnessed;
    if (has === this.#has) return;
    this.#has = has;
    // Who leaves the others has none any more, and wants none.
    if (!has && Number.isFinite(untilMs())) {
      this.#isMissed = true;
      if (!wasWitnessed) {
        this.#parts.say(
          "warning",
          "this instance has no permit any more, as the store does not answer it: clients of the primary wait",
        );
      }
    } else if (has && this.#isMissed) {
      this.#isMissed = false;
      this.#parts.say("info", "this instance has a permit again");
    }
    changed();
  }

  /** The same where it goes by what the primary says, which grows old. */
  lookAtWitness(): void {
    if (this.#isWitnessed) this.look();
  }

  #say(isOver: boolean): void {
    const { say } = this.#parts;
    if (this.#isWitnessed) {
      say("warning", "without a permit the primary is served, as all standbys stream from it");
    } else if (isOver) say("error", "without a permit, and not all standbys stream from the primary");
    else say("info", "this instance has a permit again");
  }
}
