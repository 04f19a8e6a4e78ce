import type { Clock } from "../../kernel/mod.ts";
import type { Answer, Listing } from "../../instances/mod.ts";
import { Following, SILENCE_MS } from "./following.ts";
import type { Members } from "./members.ts";
import type { Keys, WatchResponse } from "./messages.ts";

/** A member that accepts no connection for so long is passed over. */
const CONNECT_MS = 500;
/** So much later comes the next try with each that failed, up to the most. */
const RETRY_STEP_MS = 250;
const RETRY_MS_MAX = 2_000;

/** What a {@link Watch} needs. */
export interface WatchParts {
  readonly prefix: string;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly members: Members;
  readonly list: () => Promise<Answer<Listing>>;
  readonly changed: (listing: Listing) => void;
}

/**
 * Tells what a prefix holds, at each change of it: a listing, then a stream of what changed behind it, from any member; when the stream ends for
 * whatever reason, a listing again. Nothing is carried over from one stream to the next, so nothing can be lost between them.
 */
export class Watch {
  readonly #parts: WatchParts;
  #isEnded = false;
  /** Wakes what waits, at the end. */
  #wake: () => void = () => {};
  /** Asks the stream how far it is, where that is soon due; nothing while there is none. */
  #askBeside: () => void = () => {};
  /** When nothing of it is left. */
  readonly ended: Promise<void>;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.ended = this.#run();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** A call goes out. */
  beside(): void {
    this.#askBeside();
  }

  async #run(): Promise<void> {
    const { list, keys, clock } = this.#parts;
    for (let failures = 0; !this.#isEnded;) {
      const listed = await list();
      if (this.#isEnded) return;
      if (listed.kind === "done") {
        const following = new Following(keys, listed.value, clock.exactMs());
        this.#tell(following);
        failures = await this.#follow(following) ? 0 : failures + 1;
      } else failures++;
      await this.#pause(Math.min(failures * RETRY_STEP_MS, RETRY_MS_MAX));
    }
  }

  /** Follows a stream up to its end. @returns whether it told anything but that it began */
  async #follow(following: Following): Promise<boolean> {
    const { clock, members, keys, prefix } = this.#parts;
    let responses = 0;
    let isOver = false;
    const over = () => {
      isOver = true;
      this.#wake();
    };
    const opened = await members.open({
      connectMs: CONNECT_MS,
      // A member that lost touch with the others ends the stream, in place of saying nothing.
      metadata: { hasleader: "true" },
      received: (value) => {
        responses++;
        const what = following.take(value as WatchResponse, clock.exactMs());
        if (what === "over") over();
        else if (what === "changed") this.#tell(following);
      },
      ended: over,
    });
    if (opened === null) return false;
    const { stream } = opened;
    stream.send({
      create_request: { ...keys.range(prefix), start_revision: String(following.nextRevision) },
    });
    const ask = () => {
      following.asked(clock.exactMs());
      stream.send({ progress_request: {} });
    };
    this.#askBeside = () => {
      if (following.asksBeside(clock.exactMs())) ask();
    };
    while (!isOver && !this.#isEnded) {
      await this.#pause(Math.max(0, following.dueMs - clock.exactMs()));
      if (!isOver && !this.#isEnded && !await this.#tend(following, { ask, silent: opened.silent })) break;
    }
    this.#askBeside = () => {};
    stream.end();
    return responses > 1;
  }

  /** Does what is due. @returns false where the stream is to be given up */
  async #tend(
    following: Following,
    { ask, silent }: { ask: () => void; silent: (ms: number) => void },
  ): Promise<boolean> {
    const { clock, list } = this.#parts;
    switch (following.due(clock.exactMs())) {
      case "give up":
        silent(SILENCE_MS);
        return false;
      case "ask":
        ask();
        return true;
      case "nothing":
        return true;
      case "list": {
        ask();
        const askedAt = following.listing.revision;
        const listed = await list();
        if (this.#isEnded) return true;
        if (listed.kind !== "done") {
          following.listFailed(clock.exactMs());
          return true;
        }
        const what = following.adopt(listed.value, { askedAt, nowMs: clock.exactMs() });
        if (what === "over") return false;
        // Also where nothing changed: now and then whoever watches is told so.
        this.#tell(following);
        return true;
      }
    }
  }

  #tell({ listing }: Following): void {
    if (this.#isEnded) return;
    try {
      this.#parts.changed(listing);
    } catch (error) {
      // A defect of who watches is no reason to stop telling it; it is shown where all are.
      reportError(error);
    }
  }

  /** Waits so long, or until something happens. */
  async #pause(ms: number): Promise<void> {
    if (this.#isEnded) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(ms, resolve);
    this.#wake = resolve;
    await promise;
    timer.cancel();
    this.#wake = () => {};
  }
}
