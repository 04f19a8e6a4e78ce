import type { PgplexError } from "../kernel/mod.ts";

/**
 * Why a verb has not done what it should. `refused`: the server, or a check before anything was done, said no; `failed`: it has
 * certainly not happened; `unknown`: the answer was lost, so it may have happened, or still will; `not possible`: the role, the
 * version or the host does not allow it, and `instead` is what a person has to type.
 */
export interface VerbFailure {
  readonly ok: false;
  readonly kind: "refused" | "failed" | "unknown" | "not possible";
  /** One line for people and the log; no secret is in it. */
  readonly reason: string;
  readonly instead?: string;
}

/** How a verb ended: `ok` with what it found, or a {@link VerbFailure}. */
export type VerbResult<T extends object = object> = (T & { readonly ok: true }) | VerbFailure;

/** Thrown inside a verb; {@link attempt} makes the result of it. */
export class VerbTrouble extends Error {
  readonly failure: VerbFailure;
  /** The server's SQLSTATE, where it gave one. */
  readonly sqlstate: string | null;

  constructor(
    kind: VerbFailure["kind"],
    reason: string,
    { sqlstate = null, instead }: { readonly sqlstate?: string | null; readonly instead?: string } = {},
  ) {
    super(reason);
    this.sqlstate = sqlstate;
    this.failure = { ok: false, kind, reason, ...(instead === undefined ? {} : { instead }) };
  }
}

/** Runs `work`; a {@link VerbTrouble} in it is the result, any other error is a defect and thrown on. */
export async function attempt<T extends object>(work: () => Promise<T>): Promise<VerbResult<T>> {
  try {
    return { ok: true, ...await work() };
  } catch (thrown) {
    if (thrown instanceof VerbTrouble) return thrown.failure;
    throw thrown;
  }
}

/** Adds what a person has to type, where the trouble is that the role may not do it. */
export async function orByHand<T>(instead: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof VerbTrouble) || thrown.failure.kind !== "not possible") throw thrown;
    const { failure: { reason }, sqlstate } = thrown;
    throw new VerbTrouble("not possible", reason, { sqlstate, instead: thrown.failure.instead ?? instead });
  }
}

/** What an ErrorResponse to a statement of a verb means. */
export function troubleOf(error: PgplexError, { acts }: { readonly acts: boolean }): VerbTrouble {
  const { sqlstate } = error;
  const { detail } = error.extra;
  const text = `${error.message}${detail === undefined ? "" : `: ${detail}`} (${sqlstate})`;
  // insufficient_privilege, and what a managed service says of what it took away
  if (sqlstate === "42501" || sqlstate === "0A000") {
    return new VerbTrouble("not possible", text, { sqlstate });
  }
  // The backend was ended in the middle of it, or the server stops.
  if (/^57P/.test(sqlstate)) return new VerbTrouble(acts ? "unknown" : "failed", text, { sqlstate });
  return new VerbTrouble("refused", text, { sqlstate });
}

/** A password anywhere in a text, as a conninfo has it. */
const PASSWORD = /(pass(?:word|file)\s*=\s*)('(?:[^'\\]|\\.)*'?|"[^"]*"?|\S+)/gi;

/** `text` without what may be secret: `secrets` themselves, and the password of any conninfo in it. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text.replaceAll(PASSWORD, "$1***");
  for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, "***");
  return clean;
}
