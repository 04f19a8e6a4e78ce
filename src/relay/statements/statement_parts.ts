import type { StatementStore } from "../../backend/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { Steering } from "../steering.ts";
import type { StatementMessages } from "./statement_messages.ts";
import type { ToldTypes } from "./told_types.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** What the machines of Parse, Bind, Describe and Close are made of; one of each for a session. */
export interface StatementParts {
  readonly store: StatementStore;
  readonly cursor: ClientCursor;
  readonly steering: Steering;
  readonly messages: StatementMessages;
  readonly unnamed: UnnamedStatement;
  readonly told: ToldTypes;
}
