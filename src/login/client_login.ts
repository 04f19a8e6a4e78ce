import { PgplexError } from "../kernel/mod.ts";
import { encodeError, negotiatedMinor } from "../protocol/mod.ts";
import { routeDatabase } from "../routing/mod.ts";
import { type ByteStream, type PeerAddress, type TlsStream, writeAll } from "../transport/mod.ts";
import { checkEnabled, checkRoom, checkShare, inTurn } from "./admission.ts";
import { authenticate, type Authenticated } from "./authentication.ts";
import type { ConsoleDoor } from "./console_door.ts";
import type { LoginParts } from "./login_parts.ts";
import { loginTimeoutMs, open, tlsName } from "./opening.ts";
import { refuse } from "./refusal.ts";
import { replicationServer } from "./replication.ts";
import { replicationMode } from "./replication_mode.ts";
import { startSession } from "./session_start.ts";

/** Serves a client that has logged in to its end. Never rejects; the stream is closed then. */
type Serve = () => Promise<void>;

/**
 * Serves one accepted connection from its first byte to its last: TLS, startup packet, authentication, then a session, a
 * replication connection or a cancel request. Never rejects; the stream is closed in the end.
 */
export function serveClient(worker: LoginParts, stream: ByteStream, peer: PeerAddress): Promise<void> {
  // No function waits here for the session's end: its frame would be kept with all that the login needed.
  return logInWithin(worker, stream, peer).then(begun);
}

function begun(serve: Serve | null): Promise<void> | void {
  return serve?.();
}

/** {@link logIn} within `client_login_timeout`; one that fails is refused, and its stream closed. Never rejects. */
async function logInWithin(worker: LoginParts, stream: ByteStream, peer: PeerAddress): Promise<Serve | null> {
  const { config, counters, logins, runtime: { clock } } = worker;
  counters.accepted++;
  counters.loggingIn++;
  let current = stream;
  let audible = true;
  const deadline = {
    untilMs: clock.nowMs() + loginTimeoutMs(config),
    late: () => {
      const error = new PgplexError(
        "login_timeout",
        "client_login_timeout: the client did not log in in time",
      );
      const said = audible ? writeAll(current, encodeError("FATAL", error)) : Promise.resolve();
      void said.catch(() => {}).finally(() => current.close());
    },
  };
  logins.begin(deadline);
  let serve: Serve | null = null;
  try {
    serve = await logIn(worker, stream, peer, (tls) => {
      audible = tls !== null;
      current = tls ?? stream;
    });
  } catch (thrown) {
    counters.loginFailures++;
    await refuse(worker, audible ? current : null, thrown, peer);
  } finally {
    counters.loggingIn--;
    logins.end(deadline);
    if (serve === null) current.close();
  }
  return serve;
}

/**
 * Everything up to the session. What logging in needed is left behind when it returns: a client may stay for days.
 *
 * @returns what serves the client from here on; null when it is gone, or was served already.
 */
async function logIn(
  worker: LoginParts,
  stream: ByteStream,
  peer: PeerAddress,
  onTls: (stream: TlsStream | null) => void,
): Promise<Serve | null> {
  const opened = await open(worker, stream, peer, onTls);
  if (opened === null) return null;
  const client = await authenticate(worker, opened, peer);
  if (client === null) {
    worker.counters.loginFailures++;
    return null;
  }
  try {
    return await inTurn(worker, () => begin(worker, client, peer));
  } catch (thrown) {
    await writeAll(client.reader.stream, client.admission);
    throw thrown;
  }
}

/** Where the client goes from here. @throws PgplexError where it may not go there, or there is no such place */
function begin(worker: LoginParts, client: Authenticated, peer: PeerAddress): Serve {
  const { startup, database } = client;
  if (worker.console?.opens(database)) return enterConsole(worker.console, client, peer);
  const route = routeDatabase(worker.config, database);
  checkEnabled(worker, route, database);
  checkRoom(worker); // again, as others came in while this one proved who it is; the session counts from here on
  checkShare(worker, route, client.user);
  const mode = replicationMode(startup.params.get("replication"));
  return mode === null
    ? startSession(worker, client, { route, peer })
    : replicationServer(worker, client, { route, peer, mode });
}

function enterConsole(console: ConsoleDoor, client: Authenticated, peer: PeerAddress): Serve {
  const { startup: { params, minor }, reader: { stream }, user, database } = client;
  if (replicationMode(params.get("replication")) !== null) {
    throw new PgplexError("unsupported_feature", `database "${database}" takes no replication connections`);
  }
  const tls = tlsName(client);
  const serve = console.admit({ stream, peer, user, database, minor: negotiatedMinor(minor), tls, params });
  const { admission } = client;
  const rest = client.reader.rest();
  // A client that is gone is found out by what serves it.
  return () => writeAll(stream, admission).catch(() => {}).then(() => serve(rest));
}
