import { channelBindingHash, type ServerCredentials, ServerLogin } from "../auth/mod.ts";
import { type ClusterTls, mayDoWithoutTls, spokenProtocols } from "../config/mod.ts";
import { type Clock, concat, PgplexError } from "../kernel/mod.ts";
import {
  Back,
  binaryFromUtf8,
  type BinaryString,
  decodeErrorFields,
  encodeBack,
  encodeFront,
  encodeSslRequest,
  encodeStartup,
  Front,
  int32At,
  utf8FromBinary,
} from "../protocol/mod.ts";
import {
  type ByteStream,
  connectTls,
  type Endpoint,
  FramedReader,
  FrameLengthError,
  type TlsStream,
  writeAll,
} from "../transport/mod.ts";
import { parameterAt, ServerConnection, type ServerIdentity } from "./connection.ts";
import type { Runtime } from "./runtime.ts";
import { Settings } from "./settings.ts";

/** The newest minor of protocol 3 that pgplex asks servers for; older servers negotiate down (PostgreSQL 9.3.21 and later). */
const PROTOCOL_MINOR = 2;

/** A message longer than this is not part of a login. */
const LOGIN_MESSAGE_MAX = 65_536;

/** As libpq: an ErrorResponse that claims to be longer is none of protocol 3, but a text that ends with NUL. */
const EARLY_ERROR_MAX = 30_000;

/** Whom to log in to, as whom, and how. */
export interface LoginRequest {
  /** The connection's, where it has been given one already. */
  readonly id?: number;
  readonly endpoint: Endpoint;
  readonly tls: ClusterTls;
  readonly user: string;
  readonly database: string;
  readonly credentials: ServerCredentials;
  /** Startup parameters besides user and database, and the key that stands for them. */
  readonly params: ReadonlyMap<string, BinaryString>;
  readonly base: string;
  /** As {@link ServerIdentity.hasLentName}. */
  readonly hasLentName?: boolean;
  readonly timeoutMs: number;
}

/** A login that the server refused by an ErrorResponse, with the server's own SQLSTATE and texts. */
export class ServerRefusal extends PgplexError {
  /** Whether another attempt may go better without any change: the server starts, stops, or is full. */
  readonly transient: boolean;
  /** Whether the server had accepted who pgplex is. */
  readonly authenticated: boolean;

  constructor(body: Uint8Array, { authenticated = false } = {}) {
    const fields = decodeErrorFields(body, 0, body.length);
    const sqlstate = fields.get("C") ?? "58000";
    const [detail, hint] = [fields.get("D"), fields.get("H")];
    super("server_login_failed", utf8FromBinary(fields.get("M") ?? "the server refused the login"), {
      sqlstate,
      ...(detail === undefined ? {} : { detail: utf8FromBinary(detail) }),
      ...(hint === undefined ? {} : { hint: utf8FromBinary(hint) }),
    });
    this.authenticated = authenticated;
    // cannot_connect_now, too_many_connections, admin_shutdown, crash_shutdown
    this.transient = ["57P03", "53300", "57P01", "57P02"].includes(sqlstate);
  }
}

/**
 * Opens a connection to a server and logs in. The connection is idle and not started.
 *
 * @throws PgplexError `server_unreachable`, `server_login_failed` (also {@link ServerRefusal}), `server_protocol`
 */
export async function login(request: LoginRequest, parts: Runtime): Promise<ServerConnection> {
  return await logInBy(request, parts, (stream) => talk(stream, request, parts));
}

/** A replication connection, or any other that is passed straight through: logged in, nothing interpreted. */
export async function loginStraight(
  request: LoginRequest,
  parts: Runtime,
): Promise<{ stream: ByteStream; identity: ServerIdentity; rest: Uint8Array }> {
  return await logInBy(request, parts, async (stream) => {
    const reader = new FramedReader(stream);
    const identity = await greet(reader, request, parts);
    return { stream, identity, rest: reader.rest() };
  });
}

/** Opens a stream and logs in on it by `work`; as libpq's `prefer`, without TLS where the server takes nobody over TLS. */
async function logInBy<T>(
  request: LoginRequest,
  parts: Runtime,
  work: (stream: ByteStream) => Promise<T>,
): Promise<T> {
  const deadlineMs = parts.clock.nowMs() + request.timeoutMs;
  const stream = await openStream(request, parts, deadlineMs);
  try {
    return await withDeadline(stream, parts.clock, deadlineMs, () => work(stream));
  } catch (thrown) {
    if (!mayDoWithoutTls(request.tls.mode) || !isTls(stream) || !isTurnedAway(thrown)) throw thrown;
    try {
      const plain = await parts.network.connect(
        request.endpoint,
        parts.clock,
        Math.max(1, deadlineMs - parts.clock.nowMs()),
      );
      return await withDeadline(plain, parts.clock, deadlineMs, () => work(plain));
    } catch (again) {
      // Turned away here as well: the first refusal is about the way that is preferred.
      throw isTurnedAway(again) ? thrown : again;
    }
  }
}

/** Whether the server takes no login of this kind, before any proof: pg_hba.conf. */
function isTurnedAway(thrown: unknown): boolean {
  return thrown instanceof ServerRefusal && !thrown.authenticated && thrown.sqlstate === "28000";
}

function isTls(stream: ByteStream): stream is TlsStream {
  return "protocol" in stream;
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

async function openStream(request: LoginRequest, parts: Runtime, deadlineMs: number): Promise<ByteStream> {
  const { endpoint, tls } = request;
  const remainingMs = () => Math.max(1, deadlineMs - parts.clock.nowMs());
  const stream = await parts.network.connect(endpoint, parts.clock, remainingMs());
  // As libpq: a unix socket is not encrypted, whatever the mode.
  if (tls.mode === "disable" || endpoint.host.startsWith("/")) return stream;
  const protocols = spokenProtocols(tls);
  const optional = mayDoWithoutTls(tls.mode);
  if (optional && protocols.length === 0) return stream; // nothing that both sides may speak
  const answer = await withDeadline(stream, parts.clock, deadlineMs, async () => {
    await writeAll(stream, encodeSslRequest());
    // One byte only: more before the handshake would be an attacker's (CVE-2021-23222).
    const byte = new Uint8Array(1);
    if (await stream.read(byte) === 0) throw new Error("end of stream");
    if (byte[0] === Back.ErrorResponse) throw await earlyError(stream, optional);
    return byte[0]!;
  });
  if (answer === 0x53) {
    try {
      return await connectTls(stream, {
        mode: tls.mode === "verify-ca" || tls.mode === "verify-full" ? tls.mode : "require",
        host: endpoint.host,
        caPem: optional ? null : tls.ca_pem,
        protocols,
        certPem: tls.cert_pem,
        keyPem: tls.key_pem?.reveal() ?? null,
        handshakeTimeoutMs: remainingMs(),
        clock: parts.clock,
      });
    } catch (error) {
      stream.close();
      if (!optional) throw error;
      return await parts.network.connect(endpoint, parts.clock, remainingMs());
    }
  }
  if (answer === 0x4e && optional) return stream;
  stream.close();
  throw new PgplexError(
    "server_login_failed",
    "the server does not support TLS, but the configuration requires it",
  );
}

/**
 * What a server says in place of an answer about TLS, as one does that cannot fork: an ErrorResponse, or text up to NUL.
 * Nobody has proved to be the server yet: where TLS is required its words are not passed on.
 */
async function earlyError(stream: ByteStream, believed: boolean): Promise<PgplexError> {
  if (!believed) {
    return new PgplexError("server_unreachable", "the server sent an error in place of an answer about TLS");
  }
  const bytes = new Uint8Array(EARLY_ERROR_MAX);
  let end = 0;
  let length = 0;
  const isWhole = () => length > 0 ? end >= length : end >= 4 && bytes.subarray(0, end).includes(0);
  while (end < bytes.length && !isWhole()) {
    const n = await stream.read(bytes.subarray(end));
    if (n === 0) break;
    end += n;
    if (length === 0 && end >= 4 && bytes[0] === 0) length = int32At(bytes, 0);
    if (length > EARLY_ERROR_MAX) break;
  }
  if (length >= 8 && end >= length) return new ServerRefusal(bytes.slice(4, length));
  const nul = bytes.subarray(0, end).indexOf(0);
  const text = new TextDecoder().decode(bytes.subarray(0, nul < 0 ? end : nul)).trim();
  return new PgplexError("server_unreachable", text || "the server closed the connection during login");
}

async function talk(stream: ByteStream, request: LoginRequest, parts: Runtime): Promise<ServerConnection> {
  const reader = new FramedReader(stream);
  const identity = await greet(reader, request, parts);
  const connection = new ServerConnection(request.id ?? parts.nextId(), stream, identity, parts);
  connection.preload(reader.rest());
  return connection;
}

async function greet(
  reader: FramedReader,
  request: LoginRequest,
  parts: Runtime,
): Promise<ServerIdentity> {
  const { stream } = reader;
  const pairs: [string, BinaryString][] = [
    ["user", binaryFromUtf8(request.user)],
    ["database", binaryFromUtf8(request.database)],
    ...request.params,
  ];
  await writeAll(stream, encodeStartup(PROTOCOL_MINOR, pairs));
  const tls = isTls(stream) ? stream : null;
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
  const notices: Uint8Array[] = [];
  let noticeBytes = 0;
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
        throw new ServerRefusal(body, { authenticated: loggedIn });
      case Back.NoticeResponse:
        if (loggedIn && noticeBytes < NOTICES_MAX) notices.push(encodeBack(type, body.slice()));
        noticeBytes += body.length;
        break;
      case Back.NegotiateProtocolVersion:
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
          hasLentName: request.hasLentName ?? false,
          tls: tls === null ? null : `${tls.protocol}/${tls.cipher}`,
          notices: concat(...notices),
        };
      default:
        throw unexpected(type);
    }
  }
}

/** Notices of a login that are kept, in bytes. */
const NOTICES_MAX = 8192;

function unexpected(type: number): PgplexError {
  return new PgplexError("server_protocol", "the server sent an unexpected message during login", {
    log: `type ${type}`,
  });
}
