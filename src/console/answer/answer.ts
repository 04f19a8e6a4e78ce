import type { Table } from "./table.ts";

/** A notice that comes with an answer. */
export interface Notice {
  readonly severity: "NOTICE" | "WARNING";
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** 00000 for a NOTICE and 01000 for a WARNING unless given. */
  readonly sqlstate?: string;
}

/** The answer of a command that returns no rows. */
export interface Done {
  /** The command tag; the command's first word unless given. */
  readonly tag?: string;
  readonly notices?: readonly Notice[];
}

/** What a command answers: rows, or that it is done. A table may come with notices too. */
export type Answer = Done | (Table & Done);

/** Whether an answer has rows. */
export function isTable(answer: Answer): answer is Table & Done {
  return "columns" in answer;
}
