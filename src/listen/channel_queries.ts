import { runQuery, type ServerConnection } from "../backend/mod.ts";
import { type BinaryString, listenSql, quoteChannel } from "../protocol/mod.ts";

/** Ends every LISTEN of the server connection. @throws PgplexError when it cannot, or the connection is lost */
export async function unlistenAll(server: ServerConnection): Promise<void> {
  await run(server, "UNLISTEN *");
}

/** Notifies marker `serial`. @throws PgplexError when it cannot, or the connection is lost */
export async function notifyMarker(
  server: ServerConnection,
  marker: BinaryString,
  serial: number,
): Promise<void> {
  await run(server, `NOTIFY ${quoteChannel(marker)}, '${serial}'`);
}

/**
 * Listens to the marker and notifies it there, in one transaction, for whose commit nobody has to wait.
 *
 * @returns whether it was committed.
 * @throws PgplexError when the connection is lost
 */
export async function hearMarker(
  server: ServerConnection,
  marker: BinaryString,
  serial: number,
): Promise<boolean> {
  const channel = quoteChannel(marker);
  const { error } = await runQuery(
    server,
    "SELECT pg_catalog.set_config('synchronous_commit', 'off', true); " +
      `LISTEN ${channel}; NOTIFY ${channel}, '${serial}'`,
  );
  return error === null;
}

/** Channels whose names are in another encoding than their session's. */
export interface ForeignChannels {
  readonly channels: Iterable<BinaryString>;
  readonly marker: BinaryString;
  readonly serial: number;
  /** The names' client_encoding. */
  readonly encoding: BinaryString;
  /** The session's own, which the connection has before and behind. */
  readonly ownEncoding: BinaryString;
}

/** Listens to channels, and notifies the marker. @throws PgplexError when it cannot, or the connection is lost */
export async function listenForeign(
  server: ServerConnection,
  { channels, marker, serial, encoding, ownEncoding }: ForeignChannels,
): Promise<void> {
  const channel = quoteChannel(marker);
  await run(server, `SET client_encoding = ${quoteChannel(encoding)}`);
  await run(server, `${listenSql([...channels, marker])}; NOTIFY ${channel}, '${serial}'`);
  await run(server, `UNLISTEN ${channel}; SET client_encoding = ${quoteChannel(ownEncoding)}`);
}

/** SQLSTATE untranslatable_character. */
const UNTRANSLATABLE = "22P05";

/**
 * What the server connection listens to; null where the session's client_encoding has no characters for it.
 *
 * @throws PgplexError when the connection is lost
 */
export async function listeningChannels(server: ServerConnection): Promise<BinaryString[] | null> {
  const { rows, error } = await runQuery(server, "SELECT n.n FROM pg_catalog.pg_listening_channels() n(n)");
  if (error === null) return rows.map(([channel]) => channel!);
  if (error.sqlstate === UNTRANSLATABLE) return null;
  throw error;
}

async function run(server: ServerConnection, sql: BinaryString): Promise<void> {
  const { error } = await runQuery(server, sql);
  if (error !== null) throw error;
}
