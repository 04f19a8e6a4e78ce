import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { textOf } from "./bytes.ts";
import { childrenOf, DER, type DerElement, oidOf, readDer } from "./der.ts";

/** A certificate as PEM text (of several, the first counts: it is the server's own) or as DER bytes. */
export type Certificate = string | Uint8Array;

/**
 * Channel binding data of type `tls-server-end-point` (RFC 5929, section 4.1): the certificate's hash under the hash of
 * its own signature, SHA-256 where that is MD5 or SHA-1. 28 to 64 bytes.
 *
 * Null where the certificate cannot be read or its signature names no single hash (Ed25519): there is no channel binding
 * for those, and SCRAM-SHA-256-PLUS is not offered.
 */
export function channelBindingHash(certificate: Certificate): Uint8Array | null {
  const der = derOf(certificate);
  const parts = der === null ? null : partsOf(der);
  if (parts === null) return null;
  const hash = signatureHashOf(parts.signature);
  if (hash === null) return null;
  return new Uint8Array(createHash(hash).update(parts.whole).digest());
}

/**
 * The first common name of a certificate's subject, which is the one that PostgreSQL compares (be-secure-openssl.c); null
 * where there is none, or it holds a zero byte, which PostgreSQL refuses too.
 */
export function commonNameOf(certificate: Certificate): string | null {
  const der = derOf(certificate);
  const parts = der === null ? null : partsOf(der);
  for (const set of parts === null ? [] : childrenOf(parts.subject) ?? []) {
    for (const attribute of childrenOf(set) ?? []) {
      const [type, value] = childrenOf(attribute) ?? [];
      if (oidOf(type) === "2.5.4.3") return value === undefined ? null : stringOf(value);
    }
  }
  return null;
}

/** Whether a certificate's common name admits `user`: equal to the letter, and not empty (check_usermap in hba.c). */
export function commonNameMatches(commonName: string | null, user: string): boolean {
  return commonName !== null && commonName !== "" && commonName === user;
}

function derOf(certificate: Certificate): Uint8Array | null {
  if (typeof certificate !== "string") return certificate;
  const pem = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(certificate);
  return pem === null ? null : new Uint8Array(Buffer.from(pem[1]!, "base64"));
}

/** Certificate and TBSCertificate of RFC 5280, section 4.1, as far as needed here. */
function partsOf(der: Uint8Array): { whole: Uint8Array; signature: DerElement; subject: DerElement } | null {
  const certificate = readDer(der);
  if (certificate?.tag !== DER.sequence) return null;
  const [body, signature] = childrenOf(certificate) ?? [];
  if (body?.tag !== DER.sequence || signature?.tag !== DER.sequence) return null;
  const fields = childrenOf(body) ?? [];
  if (fields[0]?.tag === DER.context0) fields.shift(); // the version, absent in version 1
  const subject = fields[4]; // after serialNumber, signature, issuer, validity
  if (subject?.tag !== DER.sequence) return null;
  return { whole: certificate.whole, signature, subject };
}

/** Hash names of node:crypto by the object identifiers of signature algorithms: RFC 3279, 4055, 5758, 8692. */
const SIGNATURE_HASHES: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.4": "sha256", // md5WithRSAEncryption
  "1.2.840.113549.1.1.5": "sha256", // sha1WithRSAEncryption
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.113549.1.1.14": "sha224",
  "1.2.840.10040.4.3": "sha256", // dsa-with-sha1
  "2.16.840.1.101.3.4.3.1": "sha224", // dsa
  "2.16.840.1.101.3.4.3.2": "sha256",
  "1.2.840.10045.4.1": "sha256", // ecdsa-with-SHA1
  "1.2.840.10045.4.3.1": "sha224",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};

/** Hash names by the object identifiers of hashes, for RSASSA-PSS, which names its own. */
const HASHES: Readonly<Record<string, string>> = {
  "1.3.14.3.2.26": "sha256", // SHA-1
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
  "2.16.840.1.101.3.4.2.4": "sha224",
};

const RSASSA_PSS = "1.2.840.113549.1.1.10";

function signatureHashOf(algorithm: DerElement): string | null {
  const [type, parameters] = childrenOf(algorithm) ?? [];
  const oid = oidOf(type);
  if (oid === null) return null;
  if (oid !== RSASSA_PSS) return SIGNATURE_HASHES[oid] ?? null;
  const [hash] = parameters === undefined ? [] : childrenOf(parameters) ?? [];
  if (hash?.tag !== DER.context0) return "sha256"; // the default is SHA-1: RFC 4055, section 3.1
  const named = readDer(hash.content);
  const name = named === null ? null : oidOf((childrenOf(named) ?? [])[0]);
  return name === null ? null : HASHES[name] ?? null;
}

function stringOf(element: DerElement): string | null {
  if (element.content.includes(0)) return null;
  switch (element.tag) {
    case 0x0c: // UTF8String
      return decodeUtf8(element.content);
    case 0x13: // PrintableString
    case 0x14: // TeletexString
    case 0x16: // IA5String
      return textOf(element.content);
    default:
      return null;
  }
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
