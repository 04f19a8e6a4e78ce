/** What may have become of a session's state in what ran. Each includes those before it. */
export const Suspicion = {
  /** Nothing. */
  None: 0,
  /** Nothing, as far as the texts and the catalogue tell; a look is to confirm it. */
  Learn: 1,
  /** Something that a look finds, all of it. */
  State: 2,
  /** Anything, also what no look finds, as nobody knows its name. */
  Anything: 3,
} as const;
/** A value of {@link Suspicion}. */
export type Suspicion = (typeof Suspicion)[keyof typeof Suspicion];
