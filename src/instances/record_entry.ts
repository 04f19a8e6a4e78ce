import type { Entry } from "./key_store.ts";
import { type AnswerTimes, NewestAnswer, type Worth } from "./newest_answer.ts";

/** The entry of a cluster's record, as answers of the store and what it tells by itself have shown it. */
export class RecordEntry {
  readonly #newest = new NewestAnswer();
  /** The last one that was there. */
  #entry: Entry | null = null;
  #wasThere = false;

  /** Whether there was one, which may have been removed since. */
  get wasThere(): boolean {
    return this.#wasThere;
  }

  /** It was shown; null: there is none. `isNews`: that is another one than was shown before. */
  saw(entry: Entry | null, times: AnswerTimes): { readonly worth: Worth; readonly isNews: boolean } {
    const worth = this.#newest.take(times);
    if (worth === "anew") this.#entry = null;
    if (worth === "old" || entry === null) return { worth, isNews: false };
    const isNews = entry.modRevision !== this.#entry?.modRevision || entry.value !== this.#entry.value;
    this.#entry = entry;
    this.#wasThere = true;
    return { worth, isNews };
  }

  /** This instance has written it, which is not shown yet. */
  wrote(times: AnswerTimes): Worth {
    this.#wasThere = true;
    return this.read(times);
  }

  /** Somebody has read it for himself: what that showed may be shown yet. */
  read(times: AnswerTimes): Worth {
    const worth = this.#newest.take(times);
    if (worth === "anew") this.#entry = null;
    return worth;
  }
}
