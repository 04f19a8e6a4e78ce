import { PgplexError } from "../kernel/mod.ts";
import type { SessionFacts } from "./session_facts.ts";

/** An option, and the value that it is to have. */
export interface OptionChange {
  readonly name: string;
  readonly value: unknown;
}

/** Why a session that began in `mode` cannot take this value of an option, or null. RESET gives undefined, and may always be. */
export function refusalOf({ name, value }: OptionChange, mode: SessionFacts["mode"]): PgplexError | null {
  if (name === "cluster" && value !== undefined) {
    return new PgplexError(
      "option_fixed",
      'parameter "pgplex.cluster" cannot be set after connection start',
      {
        hint: "Give pgplex.cluster in the connection string, or connect to DATABASE@CLUSTER.",
      },
    );
  }
  if (name !== "pool_mode" || mode !== "session" || value !== "transaction") return null;
  return new PgplexError("option_fixed", 'parameter "pgplex.pool_mode" cannot be changed now', {
    detail: "The session began in session pooling.",
    hint: "Give pgplex.pool_mode in the connection string.",
  });
}
