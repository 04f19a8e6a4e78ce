import type { PoolSettings } from "../config/mod.ts";
import { startupOptions, type StartupSetting, startupSettings } from "../options/mod.ts";
import { negotiatedMinor } from "../protocol/mod.ts";
import type { Route } from "../routing/mod.ts";
import type { Base } from "../servers/mod.ts";
import { Session } from "../session/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";
import type { Authenticated } from "./authentication.ts";
import { accountFor } from "./account.ts";
import type { LoginParts } from "./login_parts.ts";
import { tlsName } from "./opening.ts";

/** Makes the session of a client that has logged in, which counts from here on. @returns what serves it to its end */
export function startSession(
  worker: LoginParts,
  client: Authenticated,
  { route, peer }: { route: Route; peer: PeerAddress },
): () => Promise<void> {
  const { startup, reader, user, database, admission } = client;
  const { cluster, alias } = route;
  const account = accountFor(worker, route, client);
  const key = { cluster, database: route.database, user: account.user, alias, purpose: "clients" } as const;
  const destination = worker.pools.get(key, account.credentials);
  const { pool_mode: poolMode, options_allowed: allowed } = destination.settings;
  const { params, options } = startupOptions(startup.params, allowed);
  const asked = (options.get("pool_mode") as PoolSettings["pool_mode"] | undefined) ?? poolMode;
  const mode = asked === "session" ? "session" : "transaction";
  const settings = startupSettings(params);
  const [, applicationName] = settings.get("application_name") ?? [null, null];
  const base = baseOf(settings, mode === "transaction", worker.pools.generation(cluster));
  const session = new Session(worker, reader.stream, destination, {
    id: worker.runtime.nextId(),
    peer,
    user,
    database,
    minor: negotiatedMinor(startup.minor),
    tls: tlsName(client),
    mode,
    statementsOnly: poolMode === "statement",
    base: destination.greetings.intern(base),
    applicationName: mode === "transaction" ? applicationName : null,
    options,
  });
  worker.sessions.add(session);
  worker.clientLog.connected(session.facts, session.facts.tls);
  return runOf(session, worker, admission, reader.rest());
}

/** In a function of its own, so that the closure keeps nothing of the login alive. */
function runOf(
  session: Session,
  { sessions, clientLog, runtime: { clock } }: LoginParts,
  admission: Uint8Array,
  rest: Uint8Array,
): () => Promise<void> {
  const sinceMs = clock.nowMs();
  return () =>
    session.run(admission, rest).then(() => {
      sessions.delete(session);
      const { facts, endedBy } = session;
      // Of a stop, the log speaks once for all.
      if (endedBy !== null && endedBy.code !== "shutting_down") clientLog.poolerError(facts, endedBy);
      const reason = endedBy?.message ?? "client close request";
      clientLog.disconnected(facts, { reason, lastedMs: clock.nowMs() - sinceMs });
    });
}

/** The startup parameters that a server connection must share with a client, sorted by name. */
function baseOf(
  settings: ReadonlyMap<string, StartupSetting>,
  withoutName: boolean,
  generation: number,
): Base {
  const left = [...settings].filter(([folded]) => !(withoutName && folded === "application_name"))
    .sort(([a], [b]) => a < b ? -1 : 1);
  const pairs = left.map(([folded, [, value]]) => [folded, value]);
  return {
    key: JSON.stringify(generation === 0 ? pairs : [generation, ...pairs]),
    params: new Map(left.map(([, setting]) => setting)),
  };
}
