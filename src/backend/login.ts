import { channelBindingHash, type KeyCache, type ServerCredentials, ServerLogin } from "../auth/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { type Clock, PgplexError, type Random } from "../kernel/mod.ts";
import {
  Back,
  binaryFromUtf8,
  type BinaryString,
  decodeErrorFields,
  encodeFront,
  encodeSslRequest,
  encodeStartup,
  Front,
  int32At,
  utf8FromBinary,
} from "../protocol/mod.ts";
import {
  type BufferPool,
  type ByteStream,
  connectTls,
  type Endpoint,
  FramedReader,
  FrameLengthError,
  type Network,
  type TlsStream,
  writeAll,
} from "../transport/mod.ts";
import { parameterAt, ServerConnection, type ServerIdentity } from "./connection.ts";
import type { StatementStore } from "./prepared.ts";
import { Settings } from "./settings.ts";

/** The newest minor of protocol 3 that pgplex asks servers for; older servers negotiate down (PostgreSQL 9.3.21 and later). */
const PROTOCOL_MINOR = 2;

/** A message longer than this is not part of a login. */
const LOGIN_MESSAGE_MAX = 65_536;

/** Whom to log in to, as whom, and how. */
export interface LoginRequest {
  readonly endpoint: Endpoint;
  readonly tls: ClusterTls;
  readonly user: string;
  readonly database: string;
  readonly credentials: ServerCredentials;
  /** Startup parameters besides user and database, and the key that stands for them. */
  readonly params: ReadonlyMap<string, BinaryString>;
  readonly base: string;
  readonly timeoutMs: number;
}

/** What every login of a process shares. */
export interface LoginParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly keyCache: KeyCache;
  readonly buffers: BufferPool;
  readonly statements: StatementStore;
  /** Resolves at the event loop's next turn. */
  readonly turn: () => Promise<void>;
  readonly nextId: () => number;
}

/** A login that the server refused by an ErrorResponse, with the server's own SQLSTATE and texts. */
export class ServerRefusal extends PgplexError {
  /** Whether another attempt may go better without any change: the server starts, stops, or is full. */
  readonly transient: boolean;

  constructor(body: Uint8Array) {
    const fields = decodeErrorFields(body, 0, body.length);
    const sqlstate = fields.get("C") ?? "58000";
    const [detail, hint] = [fields.get("D"), fields.get("H")];
    super("server_login_failed", utf8FromBinary(fields.get("M") ?? "the server refused the login"), {
      sqlstate,
      ...(detail === undefined ? {} : { detail: utf8FromBinary(detail) }),
      ...(hint === undefined ? {} : { hint: utf8FromBinary(hint) }),
    });
    // cannot_connect_now, too_many_connections, admin_shutdown, crash_shutdown
    this.transient = ["57P03", "53300", "57P01", "57P02"].includes(sqlstate);
  }
}

/**
 * Opens a connection to a server and logs in. The connection is idle and not started.
 *
 * @throws PgplexError `server_unreachable`, `server_login_failed` (also {@link ServerRefusal}), `server_protocol`
 */
export async function login(request: LoginRequest, parts: LoginParts): Promise<ServerConnection> {
  const deadlineMs = parts.clock.nowMs() + request.timeoutMs;
  const stream = await openStream(request, parts, deadlineMs);
  return await withDeadline(stream, parts.clock, deadlineMs, () => talk(stream, request, parts));
}

/** A replication connection, or any other that is passed straight through: logged in, nothing interpreted. */
export async function loginStraight(
  request: LoginRequest,
  parts: LoginParts,
): Promise<{ stream: ByteStream; identity: ServerIdentity; rest: Uint8Array }> {
  const deadlineMs = parts.clock.nowMs() + request.timeoutMs;
  const stream = await openStream(request, parts, deadlineMs);
  return await withDeadline(stream, parts.clock, deadlineMs, async () => {
    const reader = new FramedReader(stream);
    const identity = await greet(reader, request, parts);
    return { stream, identity, rest: reader.rest() };
  });
}

async function withDeadline<T>(
  stream: ByteStream,
  clock: Clock,
  deadlineMs: number,
  work: () => Promise<T>,
): Promise<T> {
  let late = false;
  const timer = clock.after(deadlineMs - clock.nowMs(), () => {
    late = true;
    stream.close();
  });
  try {
    return await work();
  } catch (error) {
    stream.close();
    if (late) {
      throw new PgplexError("server_unreachable", "the server did not answer in time", { cause: error });
    }
    if (error instanceof FrameLengthError) {
      // Whoever reads "invalid message length" alone would look for the fault in the client.
      throw new PgplexError("server_protocol", "the server does not answer as a PostgreSQL server does", {
        log: error.message,
        cause: error,
      });
    }
    if (error instanceof PgplexError) throw error;
    throw new PgplexError("server_unreachable", "the server closed the connection during login", {
      log: String(error),
      cause: error,
    });
  } finally {
    timer.cancel();
  }
}

async function openStream(request: LoginRequest, parts: LoginParts, deadlineMs: number): Promise<ByteStream> {
  const { endpoint, tls } = request;
  const remainingMs = () => Math.max(1, deadlineMs - parts.clock.nowMs());
  const stream = await parts.network.connect(endpoint, parts.clock, remainingMs());
  // As libpq: a unix socket is not encrypted, whatever the mode.
  if (tls.mode === "disable" || endpoint.host.startsWith("/")) return stream;
  const answer = await withDeadline(stream, parts.clock, deadlineMs, async () => {
    await writeAll(stream, encodeSslRequest());
    // One byte only: more before the handshake would be an attacker's (CVE-2021-23222).
    const byte = new Uint8Array(1);
    return await stream.read(byte) === 0 ? -1 : byte[0]!;
  });
  if (answer === 0x53) {
    try {
      return await connectTls(stream, {
        mode: tls.mode === "prefer" ? "require" : tls.mode,
        host: endpoint.host,
        caPem: tls.mode === "prefer" ? null : tls.ca_pem,
        certPem: tls.cert_pem,
        keyPem: tls.key_pem?.reveal() ?? null,
        handshakeTimeoutMs: remainingMs(),
        clock: parts.clock,
      });
    } catch (error) {
      stream.close();
      if (tls.mode !== "prefer") throw error;
      return await parts.network.connect(endpoint, parts.clock, remainingMs());
    }
  }
  if (answer === 0x4e && tls.mode === "prefer") return stream;
  stream.close();
  throw new PgplexError(
    "server_login_failed",
    "the server does not support TLS, but the configuration requires it",
  );
}

async function talk(stream: ByteStream, request: LoginRequest, parts: LoginParts): Promise<ServerConnection> {
  const reader = new FramedReader(stream);
  const identity = await greet(reader, request, parts);
  const connection = new ServerConnection(parts.nextId(), stream, identity, parts);
  connection.preload(reader.rest());
  return connection;
}

async function greet(
  reader: FramedReader,
  request: LoginRequest,
  parts: LoginParts,
): Promise<ServerIdentity> {
  const { stream } = reader;
  const pairs: [string, BinaryString][] = [
    ["user", binaryFromUtf8(request.user)],
    ["database", binaryFromUtf8(request.database)],
    ...request.params,
  ];
  await writeAll(stream, encodeStartup(PROTOCOL_MINOR, pairs));
  const tls = "protocol" in stream ? stream as TlsStream : null;
  const dialogue = new ServerLogin({
    user: request.user,
    credentials: request.credentials,
    random: parts.random,
    keyCache: parts.keyCache,
    channelBinding: tls?.peerCertificate ? channelBindingHash(tls.peerCertificate) : null,
    // As libpq: who wants a password never to travel in clear sets tls.mode to verify-full.
    allowCleartext: true,
  });
  let loggedIn = false;
  let parameters = Settings.none;
  let key: ServerIdentity["key"] = null;
  for (;;) {
    const frame = await reader.readFrame(LOGIN_MESSAGE_MAX);
    if (frame === null) throw new Error("end of stream");
    const { type, body } = frame;
    switch (type) {
      case Back.Authentication: {
        if (loggedIn) throw unexpected(type);
        const step = dialogue.receive(body.slice());
        if (step.kind === "failed") throw step.error;
        if (step.kind === "send") await writeAll(stream, encodeFront(Front.Password, step.body));
        if (step.kind === "ok") loggedIn = true;
        break;
      }
      case Back.ErrorResponse:
        throw new ServerRefusal(body);
      case Back.NegotiateProtocolVersion:
      case Back.NoticeResponse:
        break;
      case Back.ParameterStatus: {
        const [name, value] = parameterAt(body, 0, body.length);
        parameters = parameters.with(name, value);
        break;
      }
      case Back.BackendKeyData:
        key = { pid: int32At(body, 0), secret: body.slice(4) };
        break;
      case Back.ReadyForQuery:
        if (!loggedIn) throw unexpected(type);
        return {
          endpoint: request.endpoint,
          user: request.user,
          database: request.database,
          key,
          parameters: Settings.from(parameters.values),
          base: request.base,
          tls: tls === null ? null : `${tls.protocol}/${tls.cipher}`,
        };
      default:
        throw unexpected(type);
    }
  }
}

function unexpected(type: number): PgplexError {
  return new PgplexError("server_protocol", "the server sent an unexpected message during login", {
    log: `type ${type}`,
  });
}
