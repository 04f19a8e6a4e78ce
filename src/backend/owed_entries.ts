/** What was sent to a server and has not been answered yet. */
export const Owed = {
  Parse: 1,
  Bind: 2,
  Describe: 3,
  Execute: 4,
  Close: 5,
  Sync: 6,
  Query: 7,
  FunctionCall: 8,
  /** CopyDone or CopyFail that went out before its COPY was seen to begin; never answered. */
  CopyEnd: 9,
  /** CopyData, one or more in a row, that went out before its COPY was seen to begin; never answered. */
  CopyData: 10,
} as const;

/** Marks of an owed reply, added to a kind of {@link Owed}. */
export const Mark = {
  /** pgplex sent it for itself: the reply is not for the client. */
  Swallow: 0x80,
  /** Nothing was sent: when its turn comes, pgplex answers itself. */
  Local: 0x40,
  /** It has an `Effect` in the queue of effects. */
  Effect: 0x20,
  /** It stands for a message of the client's, which hears of its notices and errors; with an Effect that error is replaced. */
  Replace: 0x10,
} as const;

/** The bits of an entry that hold its kind of {@link Owed}; the others hold marks. */
export const KIND = 0x0f;

/** Whether an entry goes with a COPY, and is never answered. */
export function isOfCopy(entry: number): boolean {
  return entry === Owed.CopyData || entry === Owed.CopyEnd;
}

/** What the client has had of the batch, simple query or function call at the head of what is owed. */
export const Progress = {
  /** No reply to a message of its own, other than pgplex's answers. */
  None: 0,
  /** Replies to some, and no error. */
  Answered: 1,
  /** An ErrorResponse: nothing but ReadyForQuery may follow. */
  Failed: 2,
} as const;
