import { PgplexError } from "../kernel/mod.ts";
import { type BinaryString, binaryString, findNul, int32At, putInt32, uint16At, uint32At } from "./bytes.ts";

/** MAX_STARTUP_PACKET_LENGTH in PostgreSQL's libpq/pqcomm.h; the length word is not counted. */
export const STARTUP_BYTES_MAX = 10_000;

/** The newest minor of protocol 3 that pgplex speaks. */
const MINOR_NEWEST = 2;

const CANCEL_CODE = 80877102; // 1234.5678
/** pgplex's own: a cancel request that one instance passes on to another one. */
const PASSED_ON_CODE = 80878181; // 1234.6757
const SSL_CODE = 80877103; // 1234.5679
const GSSENC_CODE = 80877104; // 1234.5680

/** What may stand where a startup packet is expected. */
export type StartupRequest =
  | { readonly kind: "ssl" }
  | { readonly kind: "gssenc" }
  | {
    readonly kind: "cancel";
    readonly pid: number;
    readonly secret: Uint8Array;
    /** Another instance of pgplex passes it on, and nobody passes it on again. */
    readonly isPassedOn: boolean;
  }
  | { readonly kind: "startup"; readonly startup: Startup };

/** A client's StartupMessage. */
export interface Startup {
  /** Minor of protocol 3 that the client asked for; it may be newer than any known. */
  readonly minor: number;
  /** Every parameter but the `_pq_.` ones, in order; a name given twice keeps its last value, as in PostgreSQL. */
  readonly params: ReadonlyMap<string, BinaryString>;
  /** Names of the `_pq_.` protocol options, none of which pgplex knows. */
  readonly protocolOptions: readonly string[];
}

/** A client speaks a protocol older than 3. It is to be told in that protocol's format; see {@link "./backend_writer.ts"}. */
export class OldProtocol extends PgplexError {}

/** Bytes of the packet at `start`, length word included; 0 when not all of the length word has come, -1 when it is out of bounds. */
export function startupPacketBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return 0;
  const length = int32At(bytes, start);
  // ProcessStartupPacket in PostgreSQL's tcop/backend_startup.c: shorter or longer closes the connection without a word.
  if (length - 4 < 4 || length - 4 > STARTUP_BYTES_MAX) return -1;
  return length;
}

/**
 * Decodes the complete packet from `start` to `end`.
 *
 * @throws PgplexError `unsupported_version` ({@link OldProtocol} for one below 3), `protocol_violation`: as PostgreSQL, in its words.
 */
export function decodeStartup(bytes: Uint8Array, start: number, end: number): StartupRequest {
  const code = uint32At(bytes, start + 4);
  switch (code) {
    case SSL_CODE:
      return { kind: "ssl" };
    case GSSENC_CODE:
      return { kind: "gssenc" };
    case CANCEL_CODE:
    case PASSED_ON_CODE:
      return decodeCancel(bytes, { start, end, isPassedOn: code === PASSED_ON_CODE });
  }
  const major = code >>> 16;
  const minor = code & 0xffff;
  if (major !== 3) {
    // Where no version at all was said, PostgreSQL answers in today's format.
    throw new (major < 3 && code !== 0 ? OldProtocol : PgplexError)(
      "unsupported_version",
      `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.${MINOR_NEWEST}`,
    );
  }
  return { kind: "startup", startup: decodeParams(bytes, start + 8, end, minor) };
}

function decodeCancel(
  bytes: Uint8Array,
  { start, end, isPassedOn }: { readonly start: number; readonly end: number; readonly isPassedOn: boolean },
): StartupRequest {
  const secretBytes = end - start - 12;
  // PostgreSQL closes without a word, as it does for a key that nobody has.
  if (secretBytes < 4 || secretBytes > 256) {
    return { kind: "cancel", pid: 0, secret: new Uint8Array(0), isPassedOn: true };
  }
  return {
    kind: "cancel",
    pid: uint32At(bytes, start + 8),
    secret: bytes.slice(start + 12, end),
    isPassedOn,
  };
}

function decodeParams(bytes: Uint8Array, start: number, end: number, minor: number): Startup {
  const layout = () =>
    new PgplexError("protocol_violation", "invalid startup packet layout: expected terminator as last byte");
  if (bytes[end - 1] !== 0) throw layout();
  const params = new Map<string, BinaryString>();
  const protocolOptions: string[] = [];
  let at = start;
  while (at < end) {
    if (bytes[at] === 0) break; // the packet's terminator; an empty name inside the packet ends up as bad layout
    const nameEnd = findNul(bytes, at, end);
    const valueEnd = nameEnd < 0 ? -1 : findNul(bytes, nameEnd + 1, end);
    if (valueEnd < 0) break;
    const name = binaryString(bytes, at, nameEnd);
    if (name.startsWith("_pq_.")) protocolOptions.push(name);
    else params.set(name, binaryString(bytes, nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  if (at !== end - 1) throw layout();
  return { minor, params, protocolOptions };
}

/** The minor that both sides will speak: what was asked for, or the newest known one. 3.1 never was, and is taken as 3.0 is. */
export function negotiatedMinor(asked: number): number {
  return Math.min(asked, MINOR_NEWEST);
}

/** Whether a client's startup packet must be answered by NegotiateProtocolVersion. */
export function needsNegotiation(startup: Startup): boolean {
  return startup.protocolOptions.length > 0 || startup.minor > MINOR_NEWEST;
}

/** A StartupMessage for a server. Texts are binary strings; `minor` of protocol 3. */
export function encodeStartup(minor: number, params: Iterable<readonly [string, BinaryString]>): Uint8Array {
  let body = "";
  for (const [name, value] of params) body += `${name}\0${value}\0`;
  body += "\0";
  const packet = new Uint8Array(8 + body.length);
  putInt32(packet, 0, packet.length);
  putInt32(packet, 4, (3 << 16) | minor);
  for (let i = 0; i < body.length; i++) packet[8 + i] = body.charCodeAt(i);
  return packet;
}

/** An SSLRequest. */
export function encodeSslRequest(): Uint8Array {
  const packet = new Uint8Array(8);
  putInt32(packet, 0, 8);
  putInt32(packet, 4, SSL_CODE);
  return packet;
}

/**
 * A CancelRequest for the server connection whose BackendKeyData said `pid` and `secret` (4 to 256 bytes). `isPassedOn`: one that another
 * instance of pgplex is to understand.
 */
export function encodeCancel(pid: number, secret: Uint8Array, isPassedOn = false): Uint8Array {
  const packet = new Uint8Array(12 + secret.length);
  putInt32(packet, 0, packet.length);
  putInt32(packet, 4, isPassedOn ? PASSED_ON_CODE : CANCEL_CODE);
  putInt32(packet, 8, pid);
  packet.set(secret, 12);
  return packet;
}

/** The minor and the refused options that a NegotiateProtocolVersion's body (type and length excluded) names. */
export function decodeNegotiation(body: Uint8Array): { minor: number; refused: number } {
  return { minor: uint16At(body, 2), refused: body.length >= 8 ? int32At(body, 4) : 0 };
}
