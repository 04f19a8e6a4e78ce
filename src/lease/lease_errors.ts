import type { ServerConnection } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { utf8FromBinary } from "../protocol/mod.ts";
import type { LostSetting } from "./restore.ts";

/** What a client hears, once, whose settings the server does not take any more; `kept`: names that go back to what they were before. */
export function settingsLost(lost: readonly LostSetting[], kept: readonly string[] = []): PgplexError {
  const shown = (names: readonly string[]) => names.map(utf8FromBinary).join(", ");
  const names = shown(lost.map(({ name }) => name));
  const without = shown(lost.map(({ name }) => name).filter((name) => !kept.includes(name)));
  const goesOn = [
    ...(without === "" ? [] : [`without ${without}`]),
    ...(kept.length === 0 ? [] : [`with what ${shown(kept)} was before`]),
  ];
  const { error } = lost[0]!;
  return new PgplexError("settings_lost", `the session's ${names} cannot be restored: ${error.message}`, {
    sqlstate: error.sqlstate,
    detail: `The session goes on ${goesOn.join(", and ")}.`,
    hint: "Set it again, or connect again.",
  });
}

/** The session ended while it waited. */
export function sessionOver(): PgplexError {
  return new PgplexError("shutting_down", "the session is over");
}

/**
 * What a client hears, once, whose server connection was lost with a part of the session's state.
 *
 * @param losses what was lost, for people; empty where it is not known
 */
export function stateLost(cause: PgplexError, losses: readonly string[] = []): PgplexError {
  return new PgplexError("state_lost", "the state of the session was lost with its server connection", {
    sqlstate: cause.sqlstate,
    detail: losses.length === 0
      ? "What was set or made since the session was last at rest may not hold any more."
      : `Lost: ${losses.join("; ")}.`,
    hint: "Set it again, or connect again.",
  });
}

/** Why a connection is over that was looked at: what the server said, if it did. */
export function lostBy({ lastError }: Pick<ServerConnection, "lastError">): PgplexError {
  return lastError ?? new PgplexError("server_lost", "the server connection was lost");
}
