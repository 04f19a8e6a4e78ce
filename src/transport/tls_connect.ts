import { isIP } from "node:net";
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { type Clock, PgplexError } from "../kernel/mod.ts";
import type { ByteStream } from "./stream.ts";
import { ALPN_POSTGRESQL } from "./tls_accept.ts";
import { chainProblem, commonName, keyPairProblem, peerChain } from "./tls_certificate.ts";
import type { CipherDuplex } from "./tls_duplex.ts";
import { reasonOf, shakeHands, type TlsVersion, versionRange } from "./tls_handshake.ts";
import type { TlsFacts, TlsStream } from "./tls_stream.ts";

/** What is verified, as libpq's sslmode of the same name. */
export type TlsVerification = "require" | "verify-ca" | "verify-full";

/** How {@link connectTls} asks a server. */
export interface ConnectTlsOptions {
  /** `require` verifies nothing, unless `caPem` is given: then, as in libpq, it is `verify-ca`. */
  readonly mode: TlsVerification;
  /** The server's host name or IP address: sent as SNI where it is a name, and what `verify-full` compares. */
  readonly host: string;
  /** Trusted authorities in PEM, and none besides them. The two verifying modes need it. */
  readonly caPem: string | null;
  /** The certificate to show, with its chain, in PEM; null with `keyPem` null: none. */
  readonly certPem: string | null;
  readonly keyPem: string | null;
  /** Versions that may be spoken; both when left out. */
  readonly protocols?: readonly TlsVersion[];
  /** What to offer by ALPN; `["postgresql"]`, as libpq 17 does, when left out. Null offers nothing. */
  readonly alpn?: readonly string[] | null;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/** A name that SNI can carry: RFC 6066, section 3, with the underscore that local networks use. */
const SNI_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;

/**
 * Starts a TLS handshake (1.2 or 1.3) on `stream`, after the server's `S` to an SSLRequest or straight away. It owns
 * `stream` from then on, and closes it when the handshake fails.
 *
 * `peerCertificate` is the server's, verified or not; `peerCommonName` is null unless it was verified. With TLS 1.3 a
 * server refuses a client certificate after the handshake: the first read rejects.
 *
 * @throws PgplexError `server_unreachable` (the reason stands in the log text only), or `config_invalid` when the options
 * contradict each other: a verifying mode without `caPem`, a certificate without its key.
 */
export async function connectTls(stream: ByteStream, options: ConnectTlsOptions): Promise<TlsStream> {
  const problem = optionsProblem(options);
  if (problem !== null) {
    stream.close();
    throw new PgplexError("config_invalid", "TLS to the server is not set up correctly", {
      log: `TLS to ${options.host}: ${problem}`,
    });
  }
  try {
    return await shakeHands(stream, {
      initialBytes: new Uint8Array(0),
      start: (duplex, ready, failed) => startClient(options, { duplex, ready, failed }),
      inspect: (socket) => inspectServer(socket, options),
    }, { clock: options.clock, timeoutMs: options.handshakeTimeoutMs });
  } catch (error) {
    if (error instanceof PgplexError) throw error;
    throw new PgplexError("server_unreachable", "no secure connection to the server could be made", {
      log: `TLS to ${options.host} (${options.mode}): ${reasonOf(error)}`,
      cause: error,
    });
  }
}

interface Client {
  readonly duplex: CipherDuplex;
  readonly ready: (socket: TLSSocket) => void;
  readonly failed: (error: Error) => void;
}

function startClient(options: ConnectTlsOptions, { duplex, ready, failed }: Client): void {
  const { host, caPem, certPem, keyPem } = options;
  const alpn = options.alpn === undefined ? [ALPN_POSTGRESQL] : options.alpn;
  const socket = connect({
    socket: duplex,
    // Given outright: the default comes from the environment variable NODE_TLS_REJECT_UNAUTHORIZED.
    rejectUnauthorized: caPem !== null,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => nameProblem(options, certificate),
    ...(isIP(host) === 0 && SNI_NAME.test(host) ? { servername: host } : {}),
    ...(caPem === null ? {} : { ca: caPem }),
    ...(certPem === null || keyPem === null ? {} : { cert: certPem, key: keyPem }),
    ...(alpn === null ? {} : { ALPNProtocols: [...alpn] }),
    ...versionRange(options.protocols),
  });
  socket.on("error", failed);
  socket.once("secureConnect", () => ready(socket));
}

function nameProblem(options: ConnectTlsOptions, certificate: PeerCertificate): Error | undefined {
  if (options.mode !== "verify-full") return undefined;
  try {
    return checkServerIdentity(options.host, certificate);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function inspectServer(
  socket: TLSSocket,
  { caPem }: ConnectTlsOptions,
): Pick<TlsFacts, "peerCertificate" | "peerCommonName"> {
  const chain = peerChain(socket);
  const own = chain[0] ?? null;
  if (caPem === null) return { peerCertificate: own, peerCommonName: null };
  const problem = socket.authorized ? chainProblem(chain, caPem) : String(socket.authorizationError);
  if (problem !== null) throw new Error(problem);
  return { peerCertificate: own, peerCommonName: own && commonName(own) };
}

function optionsProblem(options: ConnectTlsOptions): string | null {
  const { mode, caPem, certPem, keyPem } = options;
  if (mode !== "require" && caPem === null) {
    return `mode ${mode} needs ca_file (for certificates of public authorities, the system's bundle)`;
  }
  if ((certPem === null) !== (keyPem === null)) return "a client certificate needs its key, and the reverse";
  return certPem === null || keyPem === null ? null : keyPairProblem(certPem, keyPem);
}
