import { rootCertificates } from "node:tls";
import { type Clock, PgplexError } from "../../kernel/mod.ts";
import { type ByteStream, connectTls, RuntimeNetwork } from "../../transport/mod.ts";

/** A member as the shim reaches it. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** Null: no TLS. */
  readonly tls: UpstreamTls | null;
}

/** All in PEM. */
export interface UpstreamTls {
  /** Null: the authorities that the runtime brings. */
  readonly caPem: string | null;
  readonly certPem: string | null;
  readonly keyPem: string | null;
}

/**
 * Opens a connection to a member, for HTTP/2. Its certificate must be for the host name, or the IP address, that the configuration gives.
 *
 * @throws PgplexError `server_unreachable`, `config_invalid`
 */
export async function dial(
  { host, port, tls }: Upstream,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<ByteStream> {
  const untilMs = clock.exactMs() + timeoutMs;
  const stream = await new RuntimeNetwork().connect({ host, port }, clock, timeoutMs);
  if (tls === null) return stream;
  const secure = await connectTls(stream, {
    mode: "verify-full",
    host,
    caPem: tls.caPem ?? rootCertificates.join("\n"),
    certPem: tls.certPem,
    keyPem: tls.keyPem,
    alpn: ["h2"],
    handshakeTimeoutMs: Math.max(1, untilMs - clock.exactMs()),
    clock,
  });
  if (secure.alpn === "h2") return secure;
  secure.close();
  throw new PgplexError("server_unreachable", "no connection to etcd could be made", {
    log: "it does not speak HTTP/2 there",
  });
}

/** What an error says for the log, on one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof PgplexError
    ? error.extra.log ?? error.message
    : error instanceof Error
    ? error.message
    : String(error);
  return text.replaceAll(/\s+/g, " ");
}
