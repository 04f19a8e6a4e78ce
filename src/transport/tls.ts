/**
 * TLS on either side of pgplex, over any `ByteStream`: {@link acceptTls} for clients, {@link connectTls} for servers.
 *
 * Over node:tls, because `Deno.startTls` is for clients only, cannot show a certificate of its own, and trusts public
 * authorities besides the given ones. What had to be worked around in Deno 2.9.6 is said where it is done.
 *
 * @module
 */
export { acceptTls, type AcceptTlsOptions, ALPN_POSTGRESQL } from "./tls_accept.ts";
export { connectTls, type ConnectTlsOptions, type TlsVerification } from "./tls_connect.ts";
export { certificatesProblem, keyPairProblem } from "./tls_certificate.ts";
export type { TlsStream } from "./tls_stream.ts";
