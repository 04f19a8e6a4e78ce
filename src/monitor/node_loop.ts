import type { Clock, Timer } from "../kernel/mod.ts";
import type { Outcome } from "./outcome.ts";

/** Two questions to one node are at least so far apart, whoever asks for one; three times as far where it does not answer. */
export const HINT_GAP_MS = 50;

/** What a loop works with. */
export interface NodeLoopParts {
  readonly clock: Clock;
  /** Ends within its own deadlines, and never rejects. */
  readonly ask: () => Promise<Outcome>;
  readonly heard: (outcome: Outcome, askedMs: number) => void;
  /** How long behind the last question the next one is asked, in milliseconds. */
  readonly delayMs: (outcome: Outcome, askedMs: number) => number;
}

/** When a node is asked: again and again, one question at a time, and earlier where somebody has a reason. */
export class NodeLoop {
  readonly #parts: NodeLoopParts;
  #askedMs = -Infinity;
  #isHinted = false;
  #gapMs = HINT_GAP_MS;
  #isPatient = false;
  #timer: Timer | null = null;
  #wake: (() => void) | null = null;
  #stopped = false;

  constructor(parts: NodeLoopParts) {
    this.#parts = parts;
  }

  /** Asks until it is stopped. Never rejects. */
  async run(): Promise<void> {
    const { clock, ask, heard, delayMs } = this.#parts;
    while (!this.#stopped) {
      this.#askedMs = clock.nowMs();
      this.#isHinted = false;
      const outcome = await ask();
      if (this.#stopped) return;
      // Whoever refuses pgplex's login counts the attempts, and writes each into its log.
      this.#isPatient = outcome.kind === "denied" && outcome.lasting;
      this.#gapMs = outcome.kind === "answered" ? HINT_GAP_MS : 3 * HINT_GAP_MS;
      heard(outcome, this.#askedMs);
      await this.#rest(delayMs(outcome, this.#askedMs));
    }
  }

  /** There is a reason to ask at once. */
  hint(): void {
    if (this.#isHinted || this.#isPatient) return;
    this.#isHinted = true;
    if (this.#wake !== null) this.#restUntil(this.#askedMs + this.#gapMs);
  }

  /** What stood in the way may be gone: asks at once, also a node that refused pgplex's login. */
  renew(): void {
    this.#isPatient = this.#isHinted = false;
    this.hint();
  }

  /** It asks no more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#wake?.();
  }

  async #rest(delayMs: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#restUntil(this.#askedMs + (this.#isHinted && !this.#isPatient ? this.#gapMs : delayMs));
    });
    this.#wake = null;
  }

  #restUntil(untilMs: number): void {
    this.#timer?.cancel();
    const { clock } = this.#parts;
    this.#timer = clock.after(Math.max(0, untilMs - clock.nowMs()), () => this.#wake?.());
  }
}
