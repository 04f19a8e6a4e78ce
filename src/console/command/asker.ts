/** The client that runs a command, and the state of its connection that commands use. */
export interface Asker {
  /** The id that SHOW CLIENTS and KILL_CLIENT know it by. */
  readonly id: number;
  readonly user: string;
  /** Whether it is one of `console.admin_users`. */
  readonly admin: boolean;
  /** Settings of this connection that drivers set and ask for; see `drivers/`. */
  readonly driverSettings: Map<string, string>;
  /** The application_name of the connection string: the value after RESET. */
  readonly startupName: string;
  /** Whether the client has said BEGIN. */
  inTransaction: boolean;
  /** Sends a ParameterStatus before the answer. */
  report(name: string, value: string): void;
  /** Closes prepared statements: the named one, or all. */
  deallocate(name: string | null): void;
}
