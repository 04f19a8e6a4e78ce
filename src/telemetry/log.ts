/** What goes with a message: ids, addresses, counts. Never a password, never an SQL value. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Where messages go. `main.ts` binds it to the real log; tests collect. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Drops everything. */
export const NO_LOG: Log = Object.freeze({ debug() {}, info() {}, warning() {}, error() {} });
