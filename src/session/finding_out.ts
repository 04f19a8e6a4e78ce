import type { Random } from "../kernel/mod.ts";
import { type CommitInquiry, type CommitVerdict, INQUIRY_MAX_MS } from "../servers/mod.ts";
import type { SessionParts } from "./session_parts.ts";
import type { Doubt } from "./survival.ts";

/** Whom {@link FindingOut} tells. */
export interface FindingOutHost {
  /** 0: no limit of its own. */
  readonly queryWaitTimeoutMs: number;
  /** The client was answered. */
  found(): void;
}

/** What became of a COMMIT is found out for a client that waits for its answer. */
export class FindingOut {
  /** Resolves behind the answer; never rejects. */
  readonly over: Promise<void>;
  /** Any node may serve the client next. */
  readonly avoids = null;
  readonly #inquiry: CommitInquiry | null;

  constructor(
    { pools, warnings }: Pick<SessionParts, "pools" | "warnings">,
    cluster: string,
    session: number,
    doubt: Doubt,
    host: FindingOutHost,
  ) {
    const { note, verdict } = doubt;
    const limitMs = Math.min(host.queryWaitTimeoutMs || INQUIRY_MAX_MS, INQUIRY_MAX_MS);
    this.#inquiry = verdict === null ? pools.inquire(cluster, note, limitMs) : null;
    const answer: Promise<CommitVerdict> = this.#inquiry?.answer ?? Promise.resolve(verdict!);
    this.over = answer.then((found) => {
      doubt.answer(found);
      warnings.say(`doubt ${cluster} ${found}`, "the answer to a COMMIT was lost", {
        cluster,
        session,
        transaction: note.xid,
        found,
      });
      host.found();
    });
  }

  /** Nobody waits any longer: the client hears that it is unknown. */
  stop(): void {
    this.#inquiry?.stop();
  }
}

/** A text that nobody else uses, of letters and digits. */
export function markerBy(random: Random): string {
  return [random.u32(), random.u32(), random.u32()].map((n) => n.toString(16).padStart(8, "0")).join("");
}
