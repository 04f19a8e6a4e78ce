import {
  AUTH_REQUEST,
  authBody,
  type AuthStep,
  ClientAuthenticator,
  commonNameOf,
  SASL_MESSAGE_BYTES_MAX,
  type ServerCredentials,
} from "../auth/mod.ts";
import { type Config, DURATION_MS_MAX, OPTION_NAMES, type PoolSettings } from "../config/mod.ts";
import { startupOptions, type StartupSetting, startupSettings } from "../options/mod.ts";
import { concat, PgplexError, toPgplexError } from "../kernel/mod.ts";
import {
  AUTH_MESSAGE_MAX,
  Back,
  type BinaryString,
  decodeStartup,
  encodeBack,
  encodeError,
  encodeNegotiation,
  encodeOldError,
  Front,
  needsNegotiation,
  negotiatedMinor,
  OldProtocol,
  type Startup,
  startupPacketBytes,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { nodeFor, type Route, routeDatabase } from "../routing/mod.ts";
import {
  acceptTls,
  type ByteStream,
  FramedReader,
  FrameLengthError,
  type PeerAddress,
  type TlsStream,
  writeAll,
} from "../transport/mod.ts";
import { lookUpSecret } from "./auth_query.ts";
import type { ConsoleDoor } from "./console_door.ts";
import { type Base, databaseNameOf } from "../servers/mod.ts";
import { serveReplication } from "./replication.ts";
import type { TopologyNode } from "../topology/mod.ts";
import { Session } from "../session/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** First byte of a TLS handshake record: a client of PostgreSQL 17 or later may begin with it (sslnegotiation=direct). */
const TLS_HANDSHAKE = 0x16;

/** The ALPN name of PostgreSQL's protocol. */
const ALPN = "postgresql";

/** PostgreSQL cuts the user's name after this many bytes, be it in the middle of a character: NAMEDATALEN - 1. */
const USER_BYTES_MAX = 63;

/** A connection from which a startup packet has been read. */
interface Opened {
  readonly reader: FramedReader;
  readonly tls: TlsStream | null;
  readonly startup: Startup;
}

/** Serves a client that has logged in to its end. Never rejects; the stream is closed then. */
type Serve = () => Promise<void>;

/** A client that has proved who it is. */
interface Authenticated extends Opened {
  readonly user: string;
  readonly database: string;
  readonly credentials: ServerCredentials;
  /** AuthenticationOk and what goes before it. Not sent yet: as from PostgreSQL, it comes with what follows it. */
  readonly admission: Uint8Array;
}

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

/** 0 is for ever in the file; here it is the longest that a timer can be set to. */
function loginTimeoutMs({ listen }: Config): number {
  return listen.client_login_timeout || DURATION_MS_MAX;
}

/** Says FATAL, where PostgreSQL would say something; a null stream is not to be spoken to. */
async function refuse(
  worker: LoginParts,
  stream: ByteStream | null,
  thrown: unknown,
  peer: PeerAddress,
): Promise<void> {
  if (thrown instanceof FrameLengthError || !(thrown instanceof PgplexError)) {
    worker.log.debug("connection ended during login", {
      peer: peer.host,
      error: toPgplexError(thrown).extra.log,
    });
    return;
  }
  worker.log.info("login refused", { peer: peer.host, error: thrown.message, reason: thrown.extra.log });
  if (stream === null) return;
  try {
    await writeAll(
      stream,
      thrown instanceof OldProtocol ? encodeOldError(thrown) : encodeError("FATAL", thrown),
    );
  } catch {
    // The client did not wait to hear why.
  }
}

/**
 * TLS and the startup packet. `onTls` hears null while hands are shaken, when nothing can be said to the client.
 *
 * @returns null when the connection is to be closed without a word, or was a cancel request.
 */
async function open(
  worker: LoginParts,
  plain: ByteStream,
  peer: PeerAddress,
  onTls: (stream: TlsStream | null) => void,
): Promise<Opened | null> {
  const { config, runtime: { clock } } = worker;
  const tlsConfig = peer.port === 0 ? null : config.listen.tls; // as PostgreSQL: no TLS on unix sockets
  let reader = new FramedReader(plain);
  let tls: TlsStream | null = null;
  let [sslDone, gssDone] = [false, false];
  const upgrade = async (direct: boolean) => {
    onTls(null);
    if (!direct) await writeAll(plain, new Uint8Array([0x53]));
    tls = await acceptTls(plain, {
      certPem: tlsConfig!.cert_pem,
      keyPem: tlsConfig!.key_pem.reveal(),
      clientCaPem: tlsConfig!.client_ca_pem,
      alpn: [ALPN],
      requireAlpn: direct,
      initialBytes: reader.rest(),
      handshakeTimeoutMs: loginTimeoutMs(config),
      clock,
    });
    onTls(tls);
    reader = new FramedReader(tls);
    sslDone = gssDone = !direct; // as PostgreSQL, which answers N to either over direct TLS
  };
  const first = await reader.peek(1);
  if (first === null) return null;
  if (first[0] === TLS_HANDSHAKE) {
    if (tlsConfig === null) return null;
    await upgrade(true);
  }
  for (;;) {
    const head = await reader.peek(4);
    if (head === null) return null;
    const bytes = startupPacketBytes(head, 0, head.length);
    if (bytes < 0) {
      worker.counters.protocolViolations++;
      return null;
    }
    const packet = await reader.peek(bytes);
    if (packet === null) return null;
    const request = decodeStartup(packet, 0, bytes);
    reader.skip(bytes);
    switch (request.kind) {
      case "ssl":
        if (sslDone) throw unsupported(5679);
        sslDone = true;
        if (tlsConfig === null || tls !== null) {
          await writeAll(reader.stream, new Uint8Array([0x4e]));
          break;
        }
        // What came in clear behind the request may be an attacker's (CVE-2021-23214).
        if (reader.buffered > 0) {
          throw new PgplexError("protocol_violation", "received unencrypted data after SSL request", {
            detail:
              "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
          });
        }
        await upgrade(false);
        break;
      case "gssenc":
        if (gssDone) throw unsupported(5680);
        gssDone = true;
        await writeAll(reader.stream, new Uint8Array([0x4e]));
        break;
      case "cancel":
        worker.counters.cancels++;
        await worker.cancelKeys.find(request.pid, request.secret)?.cancel();
        return null;
      case "startup":
        if (tlsConfig?.mode === "require" && tls === null) {
          throw new PgplexError("tls_required", "connections without TLS are not accepted", {
            hint: "Connect with sslmode=require or stronger.",
          });
        }
        return { reader, tls, startup: request.startup };
    }
  }
}

function unsupported(minor: number): PgplexError {
  const message = `unsupported frontend protocol 1234.${minor}: server supports 3.0 to 3.2`;
  return new PgplexError("unsupported_version", message);
}

/** Who the client is. Null when it went away meanwhile. */
async function authenticate(
  worker: LoginParts,
  opened: Opened,
  peer: PeerAddress,
): Promise<Authenticated | null> {
  const { reader, startup, tls } = opened;
  const { stream } = reader;
  const { config } = worker;
  const minor = negotiatedMinor(startup.minor);
  if (needsNegotiation(startup)) await writeAll(stream, encodeNegotiation(minor, startup.protocolOptions));
  const named = (startup.params.get("user") ?? "").slice(0, USER_BYTES_MAX);
  const user = utf8FromBinary(named);
  if (user === "") {
    throw new PgplexError("invalid_authorization", "no PostgreSQL user name specified in startup packet");
  }
  const database = utf8FromBinary(startup.params.get("database") || named);
  if (worker.draining) throw new PgplexError("shutting_down", "the database system is shutting down");
  // The console has room of its own: it is needed most when there is none left.
  if (!worker.console?.opens(database)) checkRoom(worker);
  const secret = worker.users.lookup(user) ?? await lookUpSecret(worker, user, database);
  const dialogue = new ClientAuthenticator({
    type: config.auth.type,
    user,
    secret,
    random: worker.runtime.random,
    mockKey: worker.mockKey,
    channelBinding: tls === null ? null : worker.channelBinding,
    peerCommonName: tls?.peerCertificate ? commonNameOf(tls.peerCertificate) ?? "" : null,
    secretCache: worker.secretCache,
  });
  let step: AuthStep = dialogue.start();
  while (step.kind === "send") {
    await writeAll(stream, encodeBack(Back.Authentication, step.body));
    const answer = await readAnswer(reader, { user, sasl: authCode(step.body) !== AUTH_REQUEST.md5 });
    if (answer === null) return null;
    step = dialogue.receive(answer);
  }
  if (step.kind === "failed") throw step.error;
  worker.log.debug("client logged in", { peer: peer.host, user, database });
  const bodies = [...step.bodies, authBody(AUTH_REQUEST.ok)];
  const admission = concat(...bodies.map((body) => encodeBack(Back.Authentication, body)));
  return { ...opened, user, database, credentials: step.credentials, admission };
}

/** @throws PgplexError `too_many_clients` */
function checkRoom({ sessions, replications, config: { listen } }: LoginParts): void {
  if (sessions.size + replications.size < listen.max_client_conn) return;
  throw new PgplexError("too_many_clients", "sorry, too many clients already", {
    detail: `max_client_conn is ${listen.max_client_conn}.`,
  });
}

/** The code of an Authentication message. */
function authCode(body: Uint8Array): number {
  return body[3]!;
}

/** The body of a client's PasswordMessage. Null when it went away instead. */
async function readAnswer(
  reader: FramedReader,
  { user, sasl }: { user: string; sasl: boolean },
): Promise<Uint8Array | null> {
  // As PostgreSQL, the type comes before the length: what is no message at all is told so, and not waited for.
  const head = await reader.peek(1);
  if (head === null) return null;
  if (head[0] !== Front.Password) {
    const expected = `expected ${sasl ? "SASL" : "password"} response`;
    throw new PgplexError("protocol_violation", `${expected}, got message type ${head[0]}`);
  }
  const lengthMax = sasl ? SASL_MESSAGE_BYTES_MAX : AUTH_MESSAGE_MAX;
  try {
    const frame = await reader.readFrame(lengthMax - 4);
    return frame === null ? null : frame.body.slice();
  } catch (thrown) {
    // PostgreSQL's SASL takes a wrong length for a failed attempt; its md5 closes without a word.
    if (!sasl || !(thrown instanceof FrameLengthError)) throw thrown;
    throw new PgplexError("invalid_password", `password authentication failed for user "${user}"`, {
      log: thrown.message,
    });
  }
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
    return begin(worker, client, peer);
  } catch (thrown) {
    await writeAll(client.reader.stream, client.admission);
    throw thrown;
  }
}

function begin(worker: LoginParts, client: Authenticated, peer: PeerAddress): Serve {
  const { startup, reader, user, database, credentials, admission } = client;
  if (worker.console?.opens(database)) return enterConsole(worker.console, client, peer);
  const route = routeDatabase(worker.config, database);
  checkEnabled(worker, route, database);
  checkRoom(worker); // again, as others came in while this one proved who it is; the session counts from here on
  const replication = replicationMode(startup.params.get("replication"));
  if (replication !== null) {
    const { params } = startupOptions(startup.params, OPTION_NAMES);
    const node = replicationNode(worker, route);
    return () =>
      writeAll(reader.stream, admission).then(() =>
        serveReplication(worker, { stream: reader.stream, rest: () => reader.rest() }, {
          cluster: route.cluster,
          node,
          user,
          database: route.database,
          alias: route.alias,
          credentials,
          params,
          minor: negotiatedMinor(startup.minor),
          id: worker.runtime.nextId(),
          peer,
          mode: replication,
          name: databaseNameOf(worker.config, route),
          tls: tlsName(client),
        })
      ).catch((thrown) => {
        worker.counters.loginFailures++;
        return refuse(worker, reader.stream, thrown, peer);
      }).finally(() => reader.stream.close());
  }
  const { cluster, database: name, alias } = route;
  const destination = worker.pools.get(
    { cluster, database: name, user, alias, purpose: "clients" },
    credentials,
  );
  const { pool_mode: poolMode, options_allowed: allowed } = destination.settings;
  const { params, options } = startupOptions(startup.params, allowed);
  const mode = (options.get("pool_mode") as PoolSettings["pool_mode"] | undefined) ?? poolMode;
  const settings = startupSettings(params);
  const [, applicationName] = settings.get("application_name") ?? [null, null];
  const session = new Session(worker, reader.stream, destination, {
    id: worker.runtime.nextId(),
    peer,
    user,
    database,
    minor: negotiatedMinor(startup.minor),
    tls: tlsName(client),
    mode,
    base: destination.greetings.intern(
      baseOf(settings, mode === "transaction", worker.pools.generation(route.cluster)),
    ),
    applicationName: mode === "transaction" ? applicationName : null,
    options,
  });
  worker.sessions.add(session);
  return runOf(session, worker.sessions, admission, reader.rest());
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

function tlsName({ tls }: Opened): string | null {
  return tls === null ? null : `${tls.protocol}/${tls.cipher}`;
}

/** In a function of its own, so that the closure keeps nothing of the login alive. */
function runOf(session: Session, sessions: Set<Session>, admission: Uint8Array, rest: Uint8Array): Serve {
  return () => session.run(admission, rest).then(() => void sessions.delete(session));
}

/** @throws PgplexError `database_disabled` */
function checkEnabled({ config, pools }: LoginParts, route: Route, asked: string): void {
  if (!pools.control.isDisabled(databaseNameOf(config, route))) return;
  throw new PgplexError("database_disabled", `database "${asked}" is not currently accepting connections`, {
    hint: "It was disabled in pgplex's console; ENABLE lets clients in again.",
  });
}

/** A replication connection is one server's for its life. @throws PgplexError where there is none to serve it now */
function replicationNode({ topology }: LoginParts, { cluster }: Route): TopologyNode {
  const routed = nodeFor(topology.current, { cluster });
  if (routed.kind === "error") throw routed.error;
  if (routed.kind === "wait") throw new PgplexError("server_unreachable", routed.reason);
  return routed.node;
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

/** As ProcessStartupPacket reads `replication`: a boolean as PostgreSQL spells it, or "database". Null: an ordinary client. */
function replicationMode(value: BinaryString | undefined): "physical" | "logical" | null {
  if (value === undefined) return null;
  if (value === "database") return "logical";
  const text = value.toLowerCase();
  const isPrefix = (word: string, least: number) => text.length >= least && word.startsWith(text);
  if (isPrefix("true", 1) || isPrefix("yes", 1) || text === "on" || text === "1") return "physical";
  if (isPrefix("false", 1) || isPrefix("no", 1) || isPrefix("off", 2) || text === "0") return null;
  throw new PgplexError(
    "invalid_authorization",
    `invalid value for parameter "replication": "${utf8FromBinary(value)}"`,
    {
      sqlstate: "22023",
      hint: 'Valid values are: "false", 0, "true", 1, "database".',
    },
  );
}
