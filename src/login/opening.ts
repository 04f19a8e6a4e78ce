import { type Config, DURATION_MS_MAX } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { decodeStartup, type Startup, startupPacketBytes } from "../protocol/mod.ts";
import {
  acceptTls,
  type ByteStream,
  FramedReader,
  type PeerAddress,
  type TlsStream,
  writeAll,
} from "../transport/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** First byte of a TLS handshake record: a client of PostgreSQL 17 or later may begin with it (sslnegotiation=direct). */
const TLS_HANDSHAKE = 0x16;

/** The ALPN name of PostgreSQL's protocol. */
const ALPN = "postgresql";

/** A connection from which a startup packet has been read. */
export interface Opened {
  readonly reader: FramedReader;
  readonly tls: TlsStream | null;
  readonly startup: Startup;
}

/** TLS protocol and cipher, for the console; null without TLS. */
export function tlsName({ tls }: Opened): string | null {
  return tls === null ? null : `${tls.protocol}/${tls.cipher}`;
}

/** 0 is for ever in the file; here it is the longest that a timer can be set to. */
export function loginTimeoutMs({ listen }: Config): number {
  return listen.client_login_timeout || DURATION_MS_MAX;
}

/**
 * TLS and the startup packet. `onTls` hears null while hands are shaken, when nothing can be said to the client.
 *
 * @returns null when the connection is to be closed without a word, or was a cancel request.
 */
export async function open(
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
      protocols: tlsConfig!.protocols,
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
        await cancel(worker, request);
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

/** Where the key is nobody's here, it may be another instance's. */
async function cancel(
  { cancelKeys, cancelRelay }: LoginParts,
  { pid, secret, isPassedOn }: {
    readonly pid: number;
    readonly secret: Uint8Array;
    readonly isPassedOn: boolean;
  },
): Promise<void> {
  const session = cancelKeys.find(pid, secret);
  if (session !== null) return await session.cancel();
  if (!isPassedOn) await cancelRelay?.pass(pid, secret);
}

function unsupported(minor: number): PgplexError {
  const message = `unsupported frontend protocol 1234.${minor}: server supports 3.0 to 3.2`;
  return new PgplexError("unsupported_version", message);
}
