import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { channelBindingHash, commonNameMatches, commonNameOf } from "./certificate.ts";

// Made with `openssl req -x509`, valid to 2126; the expected hashes are those of `openssl dgst` over the DER form.
/** ecdsa-with-SHA256, subject O=pgplex test, CN=alice. */
const EC256 = `-----BEGIN CERTIFICATE-----
MIIBozCCAUmgAwIBAgIUTiUZSw85lE8TkliGE45bW4X+vYMwCgYIKoZIzj0EAwIw
JjEUMBIGA1UECgwLcGdwbGV4IHRlc3QxDjAMBgNVBAMMBWFsaWNlMCAXDTI2MTEy
MzA1MjYyOFoYDzIxMjYxMDMwMDUyNjI4WjAmMRQwEgYDVQQKDAtwZ3BsZXggdGVz
dDEOMAwGA1UEAwwFYWxpY2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQZ/Jtg
YuF09IBm+OqcyEjThy3s2OkRrCK6FuNwNmIQYgElFvljWCqgy1Q7OeIxtyoV2gz+
G5qasz3mSCbzGdQxo1MwUTAdBgNVHQ4EFgQUxjCGSWKD4m6DozYp4wmEu7DtsBYw
HwYDVR0jBBgwFoAUxjCGSWKD4m6DozYp4wmEu7DtsBYwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiBfRHVrgoZxOKFH1R944j4kfQQ4vk0fDAdtgwVi
95nrtAIhAJ40NuhQvDQ7b3IlgLvPa/xCPg9jABOnNzXE6MNtNh42
-----END CERTIFICATE-----
`;
/** ecdsa-with-SHA384, CN=bob. */
const EC384 = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUDlIUpA8JMww47rtNag2NJRZL564wCgYIKoZIzj0EAwMw
DjEMMAoGA1UEAwwDYm9iMCAXDTI2MTEyMzA1MjYyOFoYDzIxMjYxMDMwMDUyNjI4
WjAOMQwwCgYDVQQDDANib2IwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATEkt1u
6zSfOv8gQWOuDG3WipdPMizOEPpRcs8MA+xnhvFcGHYFn/bGioYs12je9Yp7S/eB
TqaxEhoAM/6NUfm3o1MwUTAdBgNVHQ4EFgQU4IjIwy2JLM6KVlpwZYtoa2QkW9Iw
HwYDVR0jBBgwFoAU4IjIwy2JLM6KVlpwZYtoa2QkW9IwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAwNIADBFAiAFIlNt1ooYqkJ1282A0tbHYzDZl7YlixP8a/hA
OSerFwIhAP/9MnVML6m/KhEp/J7TroOm4TVl5GFMNFZR6Yidq8Xo
-----END CERTIFICATE-----
`;
/** ecdsa-with-SHA1, CN=old. */
const ECSHA1 = `-----BEGIN CERTIFICATE-----
MIIBcDCCARigAwIBAgIUfFdnKNna79kbeLHytsGa0VfRBjowCQYHKoZIzj0EATAO
MQwwCgYDVQQDDANvbGQwIBcNMjYxMTIzMDUyNjI4WhgPMjEyNjEwMzAwNTI2Mjha
MA4xDDAKBgNVBAMMA29sZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABM4cINI3
on9AOO5bjakujmtb8TUfxyKtfkezhFoYDMSYd3WVLf3i3MSMjXahSj9mwrCU08JN
OR5xBvhUMcG1IHyjUzBRMB0GA1UdDgQWBBSp+gf7amfgkDBr2vOa51KklYly5zAf
BgNVHSMEGDAWgBSp+gf7amfgkDBr2vOa51KklYly5zAPBgNVHRMBAf8EBTADAQH/
MAkGByqGSM49BAEDRwAwRAIgILre6bK4CeprxYJgq5S7qooBsKJltAMn1rjnMGi3
GIcCIGJGr5IOCG3f61wGaEw6+bO3ULsOOr2/JBn6mHHsgT1u
-----END CERTIFICATE-----
`;
/** Ed25519, CN=edward. */
const ED25519 = `-----BEGIN CERTIFICATE-----
MIIBODCB66ADAgECAhRbKz+t9UiODMlB3ObUmLzzvjba0TAFBgMrZXAwETEPMA0G
A1UEAwwGZWR3YXJkMCAXDTI2MTEyMzA1MjYyOFoYDzIxMjYxMDMwMDUyNjI4WjAR
MQ8wDQYDVQQDDAZlZHdhcmQwKjAFBgMrZXADIQDV+o3eAVV0hxdDEPxbwnTS8BSa
/nu1fG7UwsCgayu2gKNTMFEwHQYDVR0OBBYEFODt2+4HS5sAvf31t0kEst3j4QW5
MB8GA1UdIwQYMBaAFODt2+4HS5sAvf31t0kEst3j4QW5MA8GA1UdEwEB/wQFMAMB
Af8wBQYDK2VwA0EA5/xv+NSHc/ZyRE2sswp2bDONozVv3CvfITbOzsQG4f22vnKW
5AJceOL/e5X/vZ+Qma/MXqWGGWLDtHm3dd8KBA==
-----END CERTIFICATE-----
`;
/** rsassaPss with SHA-512, subject C=DE, CN=zoë, CN=second. */
const PSS512 = `-----BEGIN CERTIFICATE-----
MIICljCCAdCgAwIBAgIUQDaBmDN+H4ZBw+ziC5bBk05n3QkwPAYJKoZIhvcNAQEK
MC+gDzANBglghkgBZQMEAgMFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgMF
ADAtMQswCQYDVQQGEwJERTENMAsGA1UEAwwEem/DqzEPMA0GA1UEAwwGc2Vjb25k
MCAXDTI2MTEyMzA1MjYyOFoYDzIxMjYxMDMwMDUyNjI4WjAtMQswCQYDVQQGEwJE
RTENMAsGA1UEAwwEem/DqzEPMA0GA1UEAwwGc2Vjb25kMIGfMA0GCSqGSIb3DQEB
AQUAA4GNADCBiQKBgQDb9A0ANfREx/nqvgV09CzRI+VPJF6PQZ1UlldPsm1DzmVX
/CmdE5eqOJfnpqIVylCPoP43fLXGg7G4lknYQRtyVUBDFlaLxzt66ZmDgtrYmJoM
dp/1paX/z6p3vauCQXHJ8bQ7Eh++9poPCvgyzb9ohz9xBuIia6iQfjyVxBIzxQID
AQABo1MwUTAdBgNVHQ4EFgQUZgTBIwYxrxXSYpKNbJaKtqTrZzYwHwYDVR0jBBgw
FoAUZgTBIwYxrxXSYpKNbJaKtqTrZzYwDwYDVR0TAQH/BAUwAwEB/zA8BgkqhkiG
9w0BAQowL6APMA0GCWCGSAFlAwQCAwUAoRwwGgYJKoZIhvcNAQEIMA0GCWCGSAFl
AwQCAwUAA4GBAH33RATMgQVjnLoVYIQyqjGoyiPKifpBSpWxJN3oHu9fuR+kgglq
MxYgJmxsntWmGHq70XjM04+ZKo5W5GMbznmyKzR4OLowvgkbha8IVfcxS83EWy5n
vaEvTmZV/DFKhPajeGbg9SGlHodt4F40ObFditEm3t7AT0Tsw3wmyDFZ
-----END CERTIFICATE-----
`;
/** no CN. */
const NAMELESS = `-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUGxcNwganCIq6NBv/Y/dT2w8YbNcwCgYIKoZIzj0EAwIw
ETEPMA0GA1UECgwGbm9ib2R5MCAXDTI2MTEyMzA1MjYyOFoYDzIxMjYxMDMwMDUy
NjI4WjARMQ8wDQYDVQQKDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAS5PwiRdXLkRs92X7r3ZiPTcqSLppOB4KTa0D8ycbZv775eaYhTuQa7m2v7cymS
mawrhCrOqT7aYE6zg+8BpLh4o1MwUTAdBgNVHQ4EFgQUk3M3Ri5OJt88utjWfw7/
X5Juj0cwHwYDVR0jBBgwFoAUk3M3Ri5OJt88utjWfw7/X5Juj0cwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAgpYDmkb6JJ5sIW7Z/In9brCVE7Ifv
ZMpIlBnQF+c8/wIhAKI6SVssU3LljKW0iWiC0SuVS/lM11IExZwv55E0yV1j
-----END CERTIFICATE-----
`;

const derOf = (pem: string) => new Uint8Array(new X509Certificate(pem).raw);
const hex = (bytes: Uint8Array | null) => bytes === null ? null : Buffer.from(bytes).toString("hex");

Deno.test("channelBindingHash takes the hash of the certificate's own signature", () => {
  assert.equal(
    hex(channelBindingHash(EC256)),
    "0218e61ec066d183b2af3bc5d01e2c8cf5960ae3eb44edfd68c81b8e9c9f331a",
  );
  assert.equal(
    hex(channelBindingHash(EC384)),
    "0f9dfb5f470c3d7f36cda74e5a2d6ceb9c2d3148ab8d4e56442ed85626311109e180d47ee69eb2f07eec431ab817fe0c",
  );
});

Deno.test("channelBindingHash takes SHA-256 for a SHA-1 signature, as RFC 5929 says", () => {
  assert.equal(
    hex(channelBindingHash(ECSHA1)),
    "6f5151d5640131a4d9afe56033b3eeff4b039b97517b75c52f330dea57864489",
  );
});

Deno.test("channelBindingHash reads the hash out of RSASSA-PSS parameters", () => {
  assert.equal(
    hex(channelBindingHash(PSS512)),
    "e8cc26487d4440d0ebf0164953debb68a7f5945ddbcf4a8c63c174a8171015337af9e7c56ac0685c698e3b9e6c0eaf635a215987c7818393a82e96e36c9e22c1",
  );
});

Deno.test("channelBindingHash is null for Ed25519, whose signature names no hash", () => {
  assert.equal(channelBindingHash(ED25519), null);
});

Deno.test("channelBindingHash gives the same for PEM, for DER and for the first of a chain", () => {
  const expected = channelBindingHash(EC256);
  assert.deepEqual(channelBindingHash(derOf(EC256)), expected);
  assert.deepEqual(channelBindingHash(`subject=x\n${EC256}${EC384}`), expected);
});

Deno.test("commonNameOf reads the first common name of the subject", () => {
  assert.equal(commonNameOf(EC256), "alice");
  assert.equal(commonNameOf(derOf(EC384)), "bob");
  assert.equal(commonNameOf(PSS512), "zoë");
  assert.equal(commonNameOf(NAMELESS), null);
});

Deno.test("commonNameOf refuses a name with a zero byte inside", () => {
  const der = derOf(EC256);
  const at = Buffer.from(der).lastIndexOf("alice");
  der[at + 2] = 0;
  assert.equal(commonNameOf(der), null);
});

Deno.test("commonNameMatches wants the exact user and never an empty name", () => {
  assert.equal(commonNameMatches("alice", "alice"), true);
  assert.equal(commonNameMatches("Alice", "alice"), false);
  assert.equal(commonNameMatches("", ""), false);
  assert.equal(commonNameMatches(null, "alice"), false);
});

Deno.test("a certificate that is not one gives null, and never throws", () => {
  assert.equal(channelBindingHash(""), null);
  assert.equal(commonNameOf("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), null);
  const certificate = derOf(PSS512);
  fc.assert(fc.property(
    fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(certificate.length).map((length) => certificate.slice(0, length)),
      fc.tuple(fc.nat(certificate.length - 1), fc.nat(255)).map(([at, byte]) => {
        const mangled = certificate.slice();
        mangled[at] = byte;
        return mangled;
      }),
    ),
    (bytes) => {
      channelBindingHash(bytes);
      commonNameOf(bytes);
    },
  ));
});
