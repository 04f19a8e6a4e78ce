import type { ConsoleConfig } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import type { Asker } from "./asker.ts";

/** Whether a user may enter the console. */
export function mayEnter(
  { admin_users: admins, stats_users: watchers }: ConsoleConfig,
  user: string,
): boolean {
  return admins.includes(user) || watchers.includes(user);
}

/** The error for a user who may not enter the console; only the log names the user. */
export function notAllowed(database: string, user: string): PgplexError {
  return new PgplexError("insufficient_privilege", `permission denied for database "${database}"`, {
    detail: "The user is neither in console.admin_users nor in console.stats_users.",
    log: `user "${user}"`,
  });
}

/** @throws PgplexError `insufficient_privilege` where the client may not change anything */
export function requireAdmin({ admin, user }: Asker): void {
  if (admin) return;
  throw new PgplexError("insufficient_privilege", "admin access needed", {
    hint: `Name "${user}" in console.admin_users.`,
  });
}
