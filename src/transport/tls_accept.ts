import { TLSSocket } from "node:tls";
import { type Clock, PgplexError } from "../kernel/mod.ts";
import type { ByteStream } from "./stream.ts";
import { chainProblem, commonName, keyPairProblem, peerChain } from "./tls_certificate.ts";
import type { CipherDuplex } from "./tls_duplex.ts";
import {
  HandshakeTimeout,
  PeerLeft,
  reasonOf,
  shakeHands,
  type TlsVersion,
  versionRange,
} from "./tls_handshake.ts";
import type { TlsFacts, TlsStream } from "./tls_stream.ts";

/** The ALPN name of PostgreSQL's protocol, registered with IANA; PG_ALPN_PROTOCOL in PostgreSQL 17. */
export const ALPN_POSTGRESQL = "postgresql";

/** How {@link acceptTls} answers a client. */
export interface AcceptTlsOptions {
  /** The server's certificate, and the chain that it sends along, in PEM. */
  readonly certPem: string;
  /** Its private key in PEM. */
  readonly keyPem: string;
  /** Authorities for client certificates in PEM: a certificate is then asked for. Null: none is asked for. */
  readonly clientCaPem: string | null;
  /** Protocols to agree on by ALPN; a client that offers only others is refused. Null leaves ALPN out. */
  readonly alpn: readonly string[] | null;
  /** Direct TLS as in PostgreSQL 17: the client must have agreed on {@link ALPN_POSTGRESQL}. */
  readonly requireAlpn: boolean;
  /** Versions that may be spoken; both when left out. */
  readonly protocols?: readonly TlsVersion[];
  /** What was read from the socket already, such as the ClientHello of direct TLS. */
  readonly initialBytes: Uint8Array;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/**
 * Answers a TLS handshake (1.2 or 1.3) on `stream`, after the `S` to an SSLRequest or straight away. It owns `stream`
 * from then on, and closes it when the handshake fails.
 *
 * A client may leave its certificate away, and `peerCertificate` is null then; one that `clientCaPem` does not vouch
 * for is refused, and so is one of X.509 version 1.
 *
 * @throws PgplexError `login_timeout`, `protocol_violation`, `invalid_authorization` (an untrusted certificate), or
 * `config_invalid` when the own certificate or key cannot be used; PeerLeft when the client left without a word, as health
 * checks do.
 */
export async function acceptTls(stream: ByteStream, options: AcceptTlsOptions): Promise<TlsStream> {
  try {
    return await shakeHands(stream, {
      initialBytes: options.initialBytes,
      start: (duplex, ready, failed) => startServer(options, { duplex, ready, failed }),
      inspect: (socket) => inspectClient(socket, options),
    }, { clock: options.clock, timeoutMs: options.handshakeTimeoutMs });
  } catch (error) {
    throw acceptFailure(error, options);
  }
}

interface Server {
  readonly duplex: CipherDuplex;
  readonly ready: (socket: TLSSocket) => void;
  readonly failed: (error: Error) => void;
}

function startServer(options: AcceptTlsOptions, { duplex, ready, failed }: Server): void {
  const { clientCaPem, alpn } = options;
  // Not tls.Server: its handshake timer outlives a handshake that fails, and keeps the socket with it.
  const socket = new TLSSocket(duplex, {
    isServer: true,
    cert: options.certPem,
    key: options.keyPem,
    // Rejecting would also reject clients without a certificate; inspectClient rejects the untrusted ones.
    rejectUnauthorized: false,
    requestCert: clientCaPem !== null,
    ...(clientCaPem === null ? {} : { ca: clientCaPem }),
    ...(alpn === null ? {} : { ALPNProtocols: [...alpn] }),
    ...versionRange(options.protocols),
  });
  socket.on("error", failed);
  socket.on("_tlsError", failed);
  socket.once("secure", () => ready(socket));
}

function inspectClient(
  socket: TLSSocket,
  options: AcceptTlsOptions,
): Pick<TlsFacts, "peerCertificate" | "peerCommonName"> {
  if (options.requireAlpn && socket.alpnProtocol !== ALPN_POSTGRESQL) {
    throw new PgplexError("protocol_violation", 'direct TLS needs the ALPN protocol "postgresql"', {
      log: `direct TLS: received ALPN ${JSON.stringify(socket.alpnProtocol || null)}`,
    });
  }
  const chain = options.clientCaPem === null ? [] : peerChain(socket);
  const [own] = chain;
  if (own === undefined || options.clientCaPem === null) {
    return { peerCertificate: null, peerCommonName: null };
  }
  const problem = runtimeProblem(socket) ?? chainProblem(chain, options.clientCaPem);
  if (problem !== null) {
    throw new PgplexError("invalid_authorization", "the client certificate is not trusted", {
      log: `client certificate: ${problem}`,
    });
  }
  return { peerCertificate: own, peerCommonName: commonName(own) };
}

/** What the runtime says against the client's certificate (its dates, its purpose, its issuer), or null. */
function runtimeProblem(socket: TLSSocket): string | null {
  // `authorized` is filled in by tls.Server only; `ssl` is what it asks. Without an answer the client is refused.
  const { ssl } = socket as unknown as { ssl?: { verifyError?: () => unknown } };
  const answer = ssl?.verifyError?.();
  if (typeof answer !== "string") return "the runtime does not say whether it was verified";
  return answer === "" ? null : answer;
}

function acceptFailure(error: unknown, options: AcceptTlsOptions): Error {
  if (error instanceof PgplexError || error instanceof PeerLeft) return error;
  if (error instanceof HandshakeTimeout) {
    return new PgplexError("login_timeout", "the TLS handshake took too long", { log: error.message });
  }
  const problem = keyPairProblem(options.certPem, options.keyPem);
  if (problem !== null) {
    return new PgplexError("config_invalid", "TLS is not set up correctly here", {
      log: `listen.tls: ${problem}`,
      cause: error,
    });
  }
  return new PgplexError("protocol_violation", "the TLS handshake failed", {
    log: `TLS handshake with a client: ${reasonOf(error)}`,
    cause: error,
  });
}
