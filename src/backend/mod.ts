/**
 * One server connection: how it logs in, what state it is in, the replies it still owes, what runs on it for pgplex itself.
 *
 * It never chooses a server and knows no client: whoever holds a connection sets its {@link ServerSink}. What its users leave there
 * is kept as what it is on the server: `server_state.ts`, `prepared_set.ts`, `sql_texts.ts`, `unnamed_slot.ts`.
 *
 * @module
 */
export * from "./cancel.ts";
export * from "./commit_note.ts";
export * from "./connection.ts";
export * from "./describing.ts";
export * from "./description.ts";
export * from "./frames.ts";
export * from "./in_flight.ts";
export * from "./internal_statement.ts";
export * from "./login.ts";
export * from "./owed.ts";
export type { Abandoned, Loss, PutOff } from "./owed_abandon.ts";
export { Mark, Owed } from "./owed_entries.ts";
export * from "./prepared_set.ts";
export * from "./own_transaction.ts";
export * from "./reading.ts";
export * from "./restore_ahead.ts";
export * from "./runtime.ts";
export * from "./server_state.ts";
export * from "./settings.ts";
export * from "./sql_texts.ts";
export * from "./statement.ts";
export * from "./task.ts";
export * from "./tenancy.ts";
export * from "./unnamed_slot.ts";
