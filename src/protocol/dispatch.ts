import { Front, LARGE_MESSAGE_MAX, SMALL_MESSAGE_MAX } from "./types.ts";

/** What the relay does with a message, by its type byte alone. */
export const Action = {
  /** Not a message of this direction: the sender breaks the protocol. */
  Reject: 0,
  /** Passed by count, unread. */
  Pass: 1,
  /** The header alone changes what is owed or where the session stands; the body is passed by count. */
  Note: 2,
  /** The body, or its beginning, must be in the buffer before anything is decided. */
  Inspect: 3,
} as const;

/** A value of {@link Action}. */
export type Action = (typeof Action)[keyof typeof Action];

/** {@link Action} for each type byte from a client after login. */
export const CLIENT_ACTIONS: Readonly<Uint8Array> = table([
  [Action.Note, "QESHFXdcf"],
  [Action.Inspect, "PBDC"],
]);

/** {@link Action} for each type byte from a server after login. */
export const SERVER_ACTIONS: Readonly<Uint8Array> = table([
  [Action.Pass, "Dd"],
  [Action.Note, "123TtnsIGHWVcN"],
  [Action.Inspect, "ZSECA"],
]);

/** The longest that PostgreSQL lets a client's message of each type be, length word included (SocketBackend in postgres.c). */
export function clientMessageMax(type: number): number {
  switch (type) {
    case Front.Query:
    case Front.FunctionCall:
    case Front.Bind:
    case Front.Parse:
    case Front.CopyData:
      return LARGE_MESSAGE_MAX;
    default:
      return SMALL_MESSAGE_MAX;
  }
}

function table(rows: readonly (readonly [Action, string])[]): Uint8Array {
  const actions = new Uint8Array(256);
  for (const [action, types] of rows) {
    for (let i = 0; i < types.length; i++) actions[types.charCodeAt(i)] = action;
  }
  return actions;
}
