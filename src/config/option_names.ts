/**
 * The options that a client may set for itself, as `pgplex.NAME` in SET or in the connection string, and as `NAME` in a
 * directive. `options.ts` says what each takes.
 */
export const OPTION_NAMES = [
  "pool_mode",
  "intent",
  "query_timeout",
  "query_wait_timeout",
  "client_idle_timeout",
  "pin_timeout",
  "pin_policy",
  "state_check",
  "commit_guard",
  "tag",
  "cluster",
] as const;
export type OptionName = (typeof OPTION_NAMES)[number];
