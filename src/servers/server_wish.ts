import type { ServerConnection, Settings, SettingsTable, SqlStatement } from "../backend/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";

/** The startup parameters that a server connection is opened with. */
export interface Base {
  /** Stands for the parameters: equal keys, equal parameters. */
  readonly key: string;
  readonly params: ReadonlyMap<string, BinaryString>;
}

/** No parameters: what a session that gave none has as its base. */
export const NO_PARAMS: Base = { key: "[]", params: new Map() };

/** What a session asks of a server connection. */
export interface ServerWish {
  readonly base: Base;
  /** The session that asks; 0: pgplex itself. */
  readonly tenant: number;
  /** The session's own; null while it has none, at login. A connection that says the same replaces it by its own object. */
  settings: Settings | null;
  /** The application_name that RESET goes back to; where the server knows none of it, null. */
  readonly loginName?: BinaryString | null;
  /** It needs one whose backend has never made a temporary schema. */
  readonly withoutTempSchema?: boolean;
  /** It only reads: a standby may serve it. */
  readonly reads?: boolean;
  /** The node at which a read of it was lost a moment ago: another one serves it, if there is one. */
  readonly avoids?: NodeAddress | null;
  /** No earlier than when the server answered the session's last write, in clock milliseconds. */
  readonly lastWriteMs?: number;
  /** The session's prepared statements that SQL made; a connection that has others must lose them first, those of the same text too. */
  readonly sqlStatements: ReadonlyMap<BinaryString, SqlStatement>;
}

/**
 * Two: the connection's state is the session's, or as it was opened where the session has none yet. One: it can be made so. None: it was opened with
 * other parameters, or has made its temporary schema where the session is about to.
 */
export function fitness(connection: ServerConnection, wish: ServerWish, known: SettingsTable): 0 | 1 | 2 {
  if (connection.closed || connection.identity.base !== wish.base.key) return 0;
  // To whoever has no name of its own, RESET would show somebody else's.
  if (connection.identity.hasLentName && wish.loginName == null) return 0;
  if (connection.state.hasTempSchema && !toleratesTempSchema(connection, wish)) return 0;
  if (connection.sqlStatements.size > 0) {
    for (const [name, made] of connection.sqlStatements) if (wish.sqlStatements.get(name) !== made) return 1;
  }
  const { mixed, plansMixed } = connection.state;
  if ((mixed || plansMixed) && connection.tenancy.tenant !== wish.tenant) return 1;
  if (lacksName(connection, wish)) return 1;
  if (wish.settings === connection.settings) return 2;
  if (wish.settings === null) return connection.settings.equals(connection.state.base) ? 2 : 1;
  if (!wish.settings.equals(connection.settings)) return 1;
  wish.settings = connection.state.share(known);
  return 2;
}

/** Whether a session may have a connection whose backend has made its temporary schema: it behaves otherwise in some ways. */
function toleratesTempSchema({ settings: actual }: ServerConnection, wish: ServerWish): boolean {
  const { settings, withoutTempSchema } = wish;
  if (settings === null) return withoutTempSchema !== true;
  // Its buffers are what they are from then on.
  const sameBuffers = settings.values.get(TEMP_BUFFERS) === actual.values.get(TEMP_BUFFERS);
  return withoutTempSchema !== true && !settings.createsInTemp && sameBuffers;
}

const TEMP_BUFFERS = "temp_buffers";

/**
 * Whether the session SET application_name to what the connection has without any SET: nobody can tell, until something is
 * rolled back or reset.
 */
export function lacksName(
  connection: Pick<ServerConnection, "state" | "identity">,
  { loginName, settings }: Pick<ServerWish, "loginName" | "settings">,
  nameIsSet = connection.state.nameIsSet,
): boolean {
  if (nameIsSet || loginName == null || settings === null) return false;
  const { applicationName } = settings;
  return applicationName !== loginName &&
    applicationName === connection.identity.parameters.applicationName;
}
