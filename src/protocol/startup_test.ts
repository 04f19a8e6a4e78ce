import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../kernel/mod.ts";
import {
  decodeNegotiation,
  decodeStartup,
  encodeCancel,
  encodeSslRequest,
  encodeStartup,
  needsNegotiation,
  negotiatedMinor,
  OldProtocol,
  STARTUP_BYTES_MAX,
  startupPacketBytes,
  type StartupRequest,
} from "./startup.ts";

const bytesOf = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...part].map((character) => character.charCodeAt(0))
    ),
  );
const decode = (bytes: Uint8Array): StartupRequest => decodeStartup(bytes, 0, bytes.length);

/** A startup packet of protocol 3 with this body, its length put in front. */
const packet = (minor: number, body: string) => bytesOf(0, 0, 0, 8 + body.length, 0, 3, 0, minor, body);

// deno-fmt-ignore
const REQUESTS: readonly (readonly [string, Uint8Array, StartupRequest])[] = [
  ["SSLRequest", bytesOf(
    0, 0, 0, 8,             // length
    0x04, 0xd2, 0x16, 0x2f, // 1234, 5679
  ), { kind: "ssl" }],
  ["GSSENCRequest", bytesOf(
    0, 0, 0, 8,             // length
    0x04, 0xd2, 0x16, 0x30, // 1234, 5680
  ), { kind: "gssenc" }],
  ["CancelRequest of protocol 3.0", bytesOf(
    0, 0, 0, 16,            // length
    0x04, 0xd2, 0x16, 0x2e, // 1234, 5678
    0xff, 0, 0, 1,          // process id
    1, 2, 3, 4,             // secret
  ), { kind: "cancel", pid: 0xff000001, secret: Uint8Array.of(1, 2, 3, 4), isPassedOn: false }],
  ["CancelRequest of protocol 3.2", bytesOf(
    0, 0, 0, 20,            // length
    0x04, 0xd2, 0x16, 0x2e, // 1234, 5678
    0, 0, 0, 1,             // process id
    1, 2, 3, 4, 5, 6, 7, 8, // secret, up to 256 bytes
  ), { kind: "cancel", pid: 1, secret: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), isPassedOn: false }],
  ["StartupMessage", bytesOf(
    0, 0, 0, 38,            // length
    0, 3, 0, 0,             // protocol 3.0
    "user", 0, "alice", 0,  // name and value, in pairs
    "_pq_.x", 0, "1", 0,    // a protocol option
    "user", 0, "b\xf6b", 0, // a name given again, in Latin-1
    0,                      // end of the pairs
  ), { kind: "startup", startup: { minor: 0, params: new Map([["user", "b\xf6b"]]), protocolOptions: ["_pq_.x"] } }],
  ["StartupMessage without parameters", bytesOf(
    0, 0, 0, 9,             // length
    0, 3, 0, 2,             // protocol 3.2
    0,                      // end of the pairs
  ), { kind: "startup", startup: { minor: 2, params: new Map(), protocolOptions: [] } }],
  ["StartupMessage with an empty value", packet(0, "user\0\0\0"),
    { kind: "startup", startup: { minor: 0, params: new Map([["user", ""]]), protocolOptions: [] } }],
];

for (const [name, bytes, expected] of REQUESTS) {
  Deno.test(`decodeStartup reads ${name}`, () => {
    equal(startupPacketBytes(bytes, 0, bytes.length), bytes.length);
    deepEqual(decode(bytes), expected);
    // The same in the middle of a buffer.
    const framed = bytesOf(7, 7, ...bytes, 7);
    deepEqual(decodeStartup(framed, 2, 2 + bytes.length), expected);
  });
}

Deno.test("decodeStartup keeps a cancel request's secret when its buffer is used again", () => {
  const bytes = bytesOf(0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 1, 2, 3, 4);
  const request = decode(bytes);
  bytes.fill(0);
  deepEqual(request.kind === "cancel" && request.secret, Uint8Array.of(1, 2, 3, 4));
});

Deno.test("decodeStartup refuses any layout that PostgreSQL refuses", () => {
  const refused = {
    "no terminator": "user\0alice",
    "a pair's NUL in place of the terminator": "user\0alice\0",
    "bytes behind the terminator": "user\0alice\0\0\0",
    "a name without a value": "user\0",
    "an empty name": "\0alice\0\0",
    "no body at all": "",
  };
  for (const [what, body] of Object.entries(refused)) {
    throws(() => decode(packet(0, body)), { code: "protocol_violation", sqlstate: "08P01" }, what);
  }
});

Deno.test("decodeStartup refuses other majors, and takes any minor of 3", () => {
  for (const [major, minor] of [[2, 0], [4, 0], [0, 0], [1234, 5681]] as const) {
    const bytes = bytesOf(0, 0, 0, 9, major >> 8, major & 255, minor >> 8, minor & 255, 0);
    throws(() => decode(bytes), {
      code: "unsupported_version",
      sqlstate: "0A000",
      message: `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`,
    });
  }
  for (const [code, old] of [[0x2_0000, true], [1, true], [0, false], [0x4_0000, false]] as const) {
    throws(() => decode(bytesOf(0, 0, 0, 9, 0, code >> 16, 0, code & 255, 0)), (thrown) => {
      return thrown instanceof OldProtocol === old;
    }, String(code));
  }
  const newest = decode(bytesOf(0, 0, 0, 9, 0, 3, 0x27, 0x0f, 0)); // 3.9999
  equal(newest.kind === "startup" && newest.startup.minor, 9999);
});

Deno.test("startupPacketBytes waits for the length word, and refuses what PostgreSQL closes on", () => {
  const of = (...bytes: number[]) => startupPacketBytes(Uint8Array.from(bytes), 0, bytes.length);
  equal(of(), 0);
  equal(of(0, 0, 0), 0);
  equal(of(0, 0, 0, 7), -1); // no room for the protocol's number
  equal(of(0, 0, 0, 8), 8);
  equal(of(0, 0, 0x27, 0x14), 4 + STARTUP_BYTES_MAX);
  equal(of(0, 0, 0x27, 0x15), -1);
  equal(of(0x80, 0, 0, 0), -1); // negative
  equal(startupPacketBytes(Uint8Array.of(9, 9, 0, 0, 0, 8), 2, 6), 8);
});

Deno.test("decodeStartup throws nothing but PgplexError, whatever the bytes", () => {
  const code = fc.constantFrom([4, 210, 22, 46], [4, 210, 22, 47], [0, 3, 0, 0], [0, 3, 0, 2], [0, 2, 0, 0]);
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => [...bytes]),
    // Mostly NULs and letters: what comes near to a good packet.
    fc.array(fc.constantFrom(0, 0, 0, 97, 98), { maxLength: 40 }),
  );
  fc.assert(
    fc.property(fc.oneof(code, fc.array(fc.nat(255), { minLength: 4, maxLength: 4 })), body, (head, rest) => {
      const bytes = Uint8Array.from([0, 0, 0, 8 + rest.length, ...head, ...rest]);
      try {
        const request = decode(bytes);
        ok(["ssl", "gssenc", "cancel", "startup"].includes(request.kind));
      } catch (error) {
        ok(error instanceof PgplexError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("encodeStartup writes what decodeStartup reads", () => {
  const text = fc.string({ minLength: 1, maxLength: 20 }).map((value) => value.replaceAll(/[^!-~]/g, "x"));
  fc.assert(fc.property(fc.nat(65_535), fc.array(fc.tuple(text, text)), (minor, pairs) => {
    const bytes = encodeStartup(minor, pairs);
    equal(startupPacketBytes(bytes, 0, bytes.length), bytes.length);
    deepEqual(decode(bytes), {
      kind: "startup",
      startup: { minor, params: new Map(pairs), protocolOptions: [] },
    });
  }));
});

Deno.test("encodeSslRequest and encodeCancel write what decodeStartup reads", () => {
  deepEqual(decode(encodeSslRequest()), { kind: "ssl" });
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.uint8Array({ minLength: 4, maxLength: 256 }), (pid, secret) => {
      for (const isPassedOn of [false, true]) {
        const packet = encodeCancel(pid, secret, isPassedOn);
        deepEqual(decode(packet), { kind: "cancel", pid, secret, isPassedOn });
      }
    }),
  );
});

Deno.test("negotiatedMinor is what was asked for, up to 3.2, the newest that is known", () => {
  deepEqual([0, 2, 3, 9999].map(negotiatedMinor), [0, 2, 2, 2]);
});

Deno.test("needsNegotiation holds for a newer minor and for any protocol option", () => {
  const startup = (minor: number, ...protocolOptions: string[]) => ({
    minor,
    params: new Map(),
    protocolOptions,
  });
  equal(needsNegotiation(startup(0)), false);
  equal(needsNegotiation(startup(2)), false);
  equal(needsNegotiation(startup(3)), true);
  equal(needsNegotiation(startup(0, "_pq_.x")), true);
});

Deno.test("decodeNegotiation reads the minor and how many options were refused", () => {
  deepEqual(decodeNegotiation(Uint8Array.of(0, 3, 0, 2, 0, 0, 0, 1, 0x78, 0)), { minor: 2, refused: 1 });
  deepEqual(decodeNegotiation(Uint8Array.of(0, 3, 0, 0)), { minor: 0, refused: 0 });
});
