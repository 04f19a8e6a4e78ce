import assert from "node:assert/strict";
import {
  certificatesIn,
  certificatesProblem,
  chainProblem,
  commonName,
  isVersion3,
  keyPairProblem,
} from "./tls_certificate.ts";

/** `/CN=bob/CN=alice`, ECDSA */
const BOB_ALICE = `-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUfhCUBqrMgOmpTCbsLpKVwGPSVhEwCgYIKoZIzj0EAwIw
HjEMMAoGA1UEAwwDYm9iMQ4wDAYDVQQDDAVhbGljZTAgFw0yNjExMjMyMjEwNTVa
GA8yMDgxMDgyNjIyMTA1NVowHjEMMAoGA1UEAwwDYm9iMQ4wDAYDVQQDDAVhbGlj
ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFqW3XR4+pL39MGEzDWrX6X8K7Zx
CuWqItlSAPW7N31xYIZbZ+/0ex6WHabQI0Nh+sPvSiDRhbbva6H1WEhHzsSjUzBR
MB0GA1UdDgQWBBT6+Og/08lqHSJBiX4Hua9kMSMVJTAfBgNVHSMEGDAWgBT6+Og/
08lqHSJBiX4Hua9kMSMVJTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cA
MEQCIBmyDCVa9d1AJDI48h63wht84UCZWrTVnm8mubcq7rQJAiAcRaBq65VgNlSX
ihFZXC28K91I0cNNDONX3UwfKpRT5g==
-----END CERTIFICATE-----`;

/** `/CN=bob+CN=alice`: one relative distinguished name with two values */
const BOB_AND_ALICE = `-----BEGIN CERTIFICATE-----
MIIBkDCCATWgAwIBAgIUJlZ7dX94RlNGqD3tF2u07G7dUfswCgYIKoZIzj0EAwIw
HDEaMAoGA1UEAwwDYm9iMAwGA1UEAwwFYWxpY2UwIBcNMjYxMTIzMjIxMDU1WhgP
MjA4MTA4MjYyMjEwNTVaMBwxGjAKBgNVBAMMA2JvYjAMBgNVBAMMBWFsaWNlMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE++mpTeyEsuVrhInOB5RoymZP92TXSsLJ
niCJojJxXQ8W5qEGiIyAwIpijy+wDQ5jAH5aAiwLoFEJxC5OQTpjHKNTMFEwHQYD
VR0OBBYEFAIhHbCUIWpv08MhFQ/28Lkskiv2MB8GA1UdIwQYMBaAFAIhHbCUIWpv
08MhFQ/28Lkskiv2MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIh
AKX9zIW8Pq61PfakH84W1eujtuoTpvvYzUnNn5nKXPAtAiEAu4ADhgst4OcngfPX
LdGeBfYdzTwiSm7sGbClFwksEZ4=
-----END CERTIFICATE-----`;

/** A certificate of 1,024 bits RSA and its key. */
const WEAK = `-----BEGIN CERTIFICATE-----
MIIB9DCCAV2gAwIBAgIUHsJTeWytM2Cu1xnhaM4C5ehRG7QwDQYJKoZIhvcNAQEL
BQAwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjMyMjEwNTVaFw0yNjExMjUyMjEwNTVa
MAwxCjAIBgNVBAMMAXgwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBALlZDhrn
DjLwqGY49JLG/4lw+uTIoUEuPNtIEZDn3PBJJfhS4gS6bZFtLjjh+GkiC+AXfueB
5+A+WpwX7xqmKkvK0jDfE6Q+6DNUs2jgKhG7DM96Xw1UXkiRZdjEQe5I8HHvMICw
i5k7N0n+4cSRK3RV4OQSzvdi+oB8xyjHXX6VAgMBAAGjUzBRMB0GA1UdDgQWBBTN
NW3Hw8Flv2ATETbCfeZcb7cpoDAfBgNVHSMEGDAWgBTNNW3Hw8Flv2ATETbCfeZc
b7cpoDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBAI2G05OhKP/G
XbniRi0MPC0lvM6vypRJt+GhcMz7ZdqgxSvQq1KuJuAV2CwSV3B0uVI8BAYj6Ull
O5D0sFFwjtrLPT2MrGnyxD4PR40+a6Uwmch+sgSiqp7qUeaUsA3dQJCCU/KyJUqB
kjz6LU1+CPtQLKYzUFa6Jdkq9Fwo/mwy
-----END CERTIFICATE-----`;
const WEAK_KEY = `-----BEGIN PRIVATE KEY-----
MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBALlZDhrnDjLwqGY4
9JLG/4lw+uTIoUEuPNtIEZDn3PBJJfhS4gS6bZFtLjjh+GkiC+AXfueB5+A+WpwX
7xqmKkvK0jDfE6Q+6DNUs2jgKhG7DM96Xw1UXkiRZdjEQe5I8HHvMICwi5k7N0n+
4cSRK3RV4OQSzvdi+oB8xyjHXX6VAgMBAAECgYEAh5Y0EU4RPwZ5yj3D/FOCv8Jc
Z1y1Sf9PGYKBByX2o/h+xEete5P9bzMVaxszI4V6dnX5qdWIEKzMj/+aND52FTc9
ZO90vqMletZrR+4o9BlxS+LStvf1jU4z/aX5k2S0Y1Twva+L6tio7EB6MNQUqH8g
CSXv5sbU1OoV44K/P0ECQQDypsr+aJCO74goxSCSJ2QIw0ZiAzspIx135p9R3flm
Mn2aUAwww8QIuWBUU4xg/UNu5x5oSTYdIN7qYfWAP0kNAkEAw4tEfR1xpZcW6FxK
dE18zaFTP4R38brC2NCHXXvnT3uJuJH3sjYuxj60yMFIP7NZ/NrzDe7ZTEgEPErV
qEQZqQJBAPAjNR2Vqgpq71s5y0QZC5zIdG0nOXM6tz0j1WQVw23qZfdDZO0VsHnZ
y4VosbKCsiudOrCGU7F8CF/41hc3ijkCQHKKwJqdRbXetA92CDLqNOHqzu3U9cGG
SZ5hP/m1m4AGeFzCPBqK/IkpsBIsjdqqf1rLEjamI2k4giqjF1ZSVckCQQCJkyy2
xwSgHZJB/Wo3uxmGVgocuPvF5voWGHspcx0aMl5iaQtTHkZy/1LQ4Ukhb0uLlzpW
IyWoC2fr4cYk5wGA
-----END PRIVATE KEY-----`;

/** A certificate and its key, ECDSA. */
const GOOD = `-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUcP4IH0zbE+uCo4IXNxiExi+QW9kwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBcDAeFw0yNjExMjMyMjExNDFaFw0yNjEyMTMyMjExNDFaMAwx
CjAIBgNVBAMMAXAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAStaqc4dUOMUCrw
yp239PLbplh95chqvYa1JSAKh4LdxB6tMFbR9w8vZW4KoBxlj8HKc9c+oqEfIxUU
Ns+MP+iIo1MwUTAdBgNVHQ4EFgQUZRfO4c3cKDPsh5XHiKy4aTngUWswHwYDVR0j
BBgwFoAUZRfO4c3cKDPsh5XHiKy4aTngUWswDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiAs2dIdVScjEGcR6wbEOwBVkYH5rZ6yYre0ZfqKF1r1+AIh
APm2ydGCiisWoj8RC738tyPTOVU0dJ2effd7+rz20MDP
-----END CERTIFICATE-----`;
const GOOD_KEY = `-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIPoRNXaUacRmw2PNzMgX+ByRY1Vg50+ydHAqrfoZkjeRoAoGCCqGSM49
AwEHoUQDQgAErWqnOHVDjFAq8Mqdt/Ty26ZYfeXIar2GtSUgCoeC3cQerTBW0fcP
L2VuCqAcZY/BynPXPqKhHyMVFDbPjD/oiA==
-----END EC PRIVATE KEY-----`;

Deno.test("isVersion3 reads the version in a certificate's first bytes", () => {
  // SEQUENCE (long form) { SEQUENCE (long form) { [0] { INTEGER 2 } …
  const v3 = Uint8Array.of(0x30, 0x82, 1, 0xec, 0x30, 0x82, 1, 0x92, 0xa0, 3, 2, 1, 2, 2, 1, 7);
  assert(isVersion3(v3));
  // SEQUENCE { SEQUENCE { [0] { INTEGER 2 } … with lengths in one byte
  assert(isVersion3(Uint8Array.of(0x30, 0x20, 0x30, 0x10, 0xa0, 3, 2, 1, 2)));
});

Deno.test("isVersion3 says no to other versions and to what is no certificate", () => {
  // Version 1 leaves the field away: a serial number follows at once.
  assert(!isVersion3(Uint8Array.of(0x30, 0x82, 1, 0xec, 0x30, 0x82, 1, 0x92, 2, 1, 7)));
  // Version 2.
  assert(!isVersion3(Uint8Array.of(0x30, 0x20, 0x30, 0x10, 0xa0, 3, 2, 1, 1)));
  assert(!isVersion3(new Uint8Array(0)));
  assert(!isVersion3(Uint8Array.of(0x30, 0xff)));
  assert(!isVersion3(Uint8Array.of(4, 2, 0x30, 0)));
});

Deno.test("certificatesIn leaves out what is not a certificate", () => {
  assert.deepEqual(certificatesIn(""), []);
  assert.deepEqual(certificatesIn("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []);
});

Deno.test("chainProblem refuses a peer that sent nothing", () => {
  assert.match(chainProblem([], "")!, /no certificate/);
});

Deno.test("keyPairProblem says which of the two cannot be read", () => {
  assert.match(keyPairProblem("nothing", "nothing")!, /certificate cannot be read/);
});

Deno.test("commonName is the first that the subject has, as in PostgreSQL", () => {
  for (const pem of [BOB_ALICE, BOB_AND_ALICE]) assert.equal(commonName(certificatesIn(pem)[0]!.raw), "bob");
});

Deno.test("keyPairProblem takes a key that is the certificate's, and no other", () => {
  assert.equal(keyPairProblem(GOOD, GOOD_KEY), null);
  assert.equal(keyPairProblem(`${GOOD}\n${BOB_ALICE}`, GOOD_KEY), null);
  assert.match(keyPairProblem(BOB_ALICE, GOOD_KEY)!, /not the certificate's/);
  assert.match(keyPairProblem(GOOD, GOOD_KEY.slice(0, 200))!, /key cannot be read/);
  assert.match(keyPairProblem(GOOD.slice(0, 200), GOOD_KEY)!, /certificate cannot be read/);
});

Deno.test("keyPairProblem refuses keys that the runtime cannot serve", () => {
  assert.match(keyPairProblem(WEAK, WEAK_KEY)!, /RSA of 2048 bits or more/);
});

Deno.test("certificatesProblem wants every certificate of a text to be readable", () => {
  assert.equal(certificatesProblem(`Zoë's own\n${GOOD}\n${BOB_ALICE}\n${GOOD_KEY}`), null);
  const junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const text of ["", junk, junk + GOOD, `${GOOD}\n${junk}`, GOOD.slice(0, 200), GOOD_KEY]) {
    assert.match(certificatesProblem(text)!, /cannot be read/);
  }
});
