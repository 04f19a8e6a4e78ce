import { runTask, type ServerConnection } from "../backend/mod.ts";
import { OPTION_NAMES, type OptionName } from "../config/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeCloseStatement,
  encodeExecute,
  encodeNotice,
  encodeParse,
  encodeSync,
  isAscii,
} from "../protocol/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { Pins } from "./pins.ts";
import type { PinReason } from "./pin_kinds.ts";
import { type ProbeResult, readSettings } from "./probe.ts";
import type { Relay, ToldSettings } from "../relay/mod.ts";
import type { Destination, ServerPools } from "../servers/mod.ts";
import { notAllowed, OPTION_PREFIX, type SessionOptions } from "../options/mod.ts";

/** The names under which PostgreSQL keeps the options that a client SET. */
const OPTION_SETTINGS: readonly string[] = OPTION_NAMES.map((name) => OPTION_PREFIX + name);

/** The parts of a session that what is found changes. */
export interface FindingsHost {
  readonly destination: Destination;
  readonly pools: ServerPools;
  readonly relay: Relay;
  readonly told: ToldSettings;
  readonly options: SessionOptions;
  readonly pins: Pins;
  readonly listening: Listening;
  /** Why the session cannot take this value of an option, or null. */
  refusal(change: { readonly name: string; readonly value: unknown }): PgplexError | null;
}

/** What a probe found on a server connection becomes the session's state. What the client must hear of it is put for it. */
export async function takeFindings(
  host: FindingsHost,
  server: ServerConnection,
  found: ProbeResult,
): Promise<void> {
  const { destination, pools, relay, told, pins, listening } = host;
  const { watch } = relay;
  const tempPins = tempSchemaPins(pins, server, found);
  const rounds = watch.named.rounds(found.reals, told.current?.values ?? new Map());
  const same = told.found(server, found);
  if (found.tempSchema) server.state.tempSchemaMade();
  optionsCommitted(host, found.settings.values);
  const unrestorable: readonly PinReason[] = rounds ? ["unrestorable setting"] : [];
  const reasons = pins.after([...new Set([...found.pins, ...tempPins, ...unrestorable])]);
  const mayMove = reasons.length === 0 && found.channelsAreWritten;
  if (!await listening.found(server, found.channels, mayMove)) reasons.push("listen");
  const pinsChanged = reasons.join() !== pins.reasons.join();
  pins.set(reasons);
  const statementsChanged = relay.sql.found(server, found.sqlStatements);
  watch.fingerprints.probed(watch.ran, !same || pinsChanged || statementsChanged, watch.undone);
  if (watch.unseen.some(({ traits }) => traits.altersDefaults)) {
    pools.defaultsChanged(destination.key.cluster);
  }
  await takeForeignStatements(relay, server, found.foreignStatements);
}

/** In session pooling no probe looks at the session: what became of its options is asked for. */
export async function findOptions(host: FindingsHost, server: ServerConnection): Promise<void> {
  optionsCommitted(host, await readSettings(server, OPTION_SETTINGS));
}

function optionsCommitted(host: FindingsHost, values: ReadonlyMap<string, BinaryString>): void {
  const { destination, options, relay } = host;
  const allowed = destination.settings.options_allowed;
  const mayBe = (change: { readonly name: OptionName; readonly value: unknown }) =>
    allowed.includes(change.name) ? host.refusal(change) : notAllowed(change.name);
  for (const error of options.committed(values, mayBe)) relay.client.put(encodeNotice("WARNING", error));
}

/** Names that were lent and are gone were deallocated by the session; the others are taken back. */
async function takeForeignStatements(
  { changes }: Relay,
  server: ServerConnection,
  found: readonly BinaryString[],
): Promise<void> {
  for (const name of server.foreignNames) if (!found.includes(name)) changes.deallocated(name);
  server.foreignNames.clear();
  if (found.length === 0) return;
  server.unnamed.clear();
  const asKept = found.every(isAscii) ? [] : AS_KEPT;
  await runTask(server, [...asKept, ...found.map((name) => encodeCloseStatement(name)), encodeSync()], 1);
}

/** Until the Sync, names are as the server keeps them. */
const AS_KEPT = [
  encodeParse("", "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true)"),
  encodeBind("", []),
  encodeExecute(),
];

/** Under a search_path that begins with pg_temp it can be told whether the session has made its temporary schema. */
function tempSchemaPins(
  { reasons }: Pins,
  server: ServerConnection,
  { tempSchema, settings, pins }: ProbeResult,
): readonly PinReason[] {
  const temporary: PinReason = "temporary object";
  if (!tempSchema || !settings.createsInTemp || pins.includes(temporary)) return [];
  return !server.state.hasTempSchema || reasons.includes(temporary) ? [temporary] : [];
}
