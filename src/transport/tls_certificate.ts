import type { TLSSocket } from "node:tls";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** Certificates that a peer's chain may hold; libpq and PostgreSQL leave OpenSSL's limit of 100, which nobody needs. */
const CHAIN_LENGTH_MAX = 10;

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const PEM_BEGIN = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/g;

/** Below it, the runtime throws instead of serving; OpenSSL's security level 2 refuses the same. */
const RSA_BITS_MIN = 2048;

/** Curves of ECDSA keys that the runtime can sign with, in OpenSSL's names. */
const CURVES: readonly unknown[] = ["prime256v1", "secp384r1", "secp521r1"];

/** The peer's certificate and those it sent along, in DER, its own first; empty when it sent none. */
export function peerChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<unknown>();
  let link: { raw?: Uint8Array; issuerCertificate?: unknown } | null = socket.getPeerCertificate(true);
  while (link?.raw && !seen.has(link) && chain.length < CHAIN_LENGTH_MAX) {
    seen.add(link);
    chain.push(Uint8Array.from(link.raw));
    link = (link.issuerCertificate ?? null) as typeof link;
  }
  return chain;
}

/**
 * Why `chain` (DER, the peer's own certificate first) does not lead to a certificate of `caPem`, or null when it does.
 *
 * The runtime has verified the same chain, with validity and purposes, before: this is the second look that Deno 2.9.6
 * needs, because it takes an X.509 version 1 certificate for verified when nothing but the name of its issuer is right.
 * So version 1 is refused, and every signature up to the authority is checked here.
 */
export function chainProblem(chain: readonly Uint8Array[], caPem: string): string | null {
  const [own] = chain;
  if (own === undefined) return "no certificate was sent";
  const authorities = certificatesIn(caPem);
  const known = (der: Uint8Array) => authorities.some((authority) => authority.raw.equals(der));
  if (chain.some((der) => !isVersion3(der) && (der === own || !known(der)))) {
    return "a certificate of X.509 version 1 was sent, which cannot be verified: make it again with extensions (version 3)";
  }
  const sent = chain.map((der) => new X509Certificate(der));
  let current = sent[0]!;
  for (let depth = 0; depth < CHAIN_LENGTH_MAX; depth++) {
    if (known(current.raw) || authorities.some((authority) => issued(authority, current))) return null;
    const issuer = sent.find((candidate) =>
      candidate !== current && candidate.ca && issued(candidate, current)
    );
    if (issuer === undefined) break;
    current = issuer;
  }
  return `the certificate of ${JSON.stringify(commonName(own) ?? "")} was not issued by a trusted authority`;
}

/** The certificates of a PEM text. Blocks that do not parse are left out. */
export function certificatesIn(pem: string): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (const [block] of pem.matchAll(PEM_BLOCK)) {
    try {
      found.push(new X509Certificate(block));
    } catch {
      // An authority that cannot be read can vouch for nobody.
    }
  }
  return found;
}

/**
 * The first common name in a certificate's subject, as PostgreSQL reads it (be-secure-openssl.c), or null. A name with a NUL
 * byte counts as none: what C programs read of it would be another name (CVE-2009-4034 in PostgreSQL).
 */
export function commonName(der: Uint8Array): string | null {
  const subject: unknown = new X509Certificate(der).toLegacyObject().subject;
  const name = (subject as { CN?: string | string[] } | undefined)?.CN;
  const first = Array.isArray(name) ? name[0] : name;
  return first === undefined || first === "" || first.includes("\0") ? null : first;
}

/**
 * Why the certificates of a PEM text cannot be used, or null when they can. One that does not parse spoils the others: with
 * it among the authorities, Deno 2.9.6 throws where nobody catches.
 */
export function certificatesProblem(pem: string): string | null {
  const count = pem.match(PEM_BEGIN)?.length ?? 0;
  return count > 0 && certificatesIn(pem).length === count
    ? null
    : "a certificate cannot be read: expected PEM";
}

/** Why a certificate and a private key, both in PEM, cannot be used together, or null when they can. */
export function keyPairProblem(certPem: string, keyPem: string): string | null {
  const [own] = certificatesIn(certPem);
  if (own === undefined) return "the certificate cannot be read: expected PEM";
  try {
    const key = createPrivateKey(keyPem);
    if (!own.checkPrivateKey(key)) return "the private key is not the certificate's";
    return isServed(key) ? null : "the private key is of a kind that TLS is not served with here: expected " +
      `RSA of ${RSA_BITS_MIN} bits or more, ECDSA (P-256, P-384, P-521) or Ed25519`;
  } catch {
    return "the private key cannot be read: expected PEM without a passphrase";
  }
}

/** Whether the runtime makes signatures with such a key; RSASSA-PSS keys are not among them. */
function isServed({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === "rsa") return (details?.modulusLength ?? 0) >= RSA_BITS_MIN;
  return type === "ed25519" || (type === "ec" && CURVES.includes(details?.namedCurve));
}

function issued(issuer: X509Certificate, subject: X509Certificate): boolean {
  try {
    return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

/** Whether a certificate's DER says version 3: `SEQUENCE { SEQUENCE { [0] { INTEGER 2 } … (RFC 5280, section 4.1). */
export function isVersion3(der: Uint8Array): boolean {
  const tbs = contentStart(der, 0);
  const at = tbs < 0 ? -1 : contentStart(der, tbs);
  return at >= 0 && der[at] === 0xa0 && der[at + 1] === 3 && der[at + 2] === 2 && der[at + 3] === 1 &&
    der[at + 4] === 2;
}

/** Where the content of the SEQUENCE at `at` begins, or -1 when there is none. */
function contentStart(der: Uint8Array, at: number): number {
  if (der[at] !== 0x30) return -1;
  const length = der[at + 1] ?? 0;
  return at + 2 + (length >= 0x80 ? length & 0x7f : 0);
}
