import assert from "node:assert/strict";
import fc from "fast-check";
import { inetAddress, inetOf, namedUnixAddress, unixAddress } from "./socket_address.ts";

const IPV6: readonly [given: string, written: string][] = [
  ["::", "::"],
  ["::1", "::1"],
  ["2001:DB8::", "2001:db8::"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["fe80::0204:61ff:fe9d:f156", "fe80::204:61ff:fe9d:f156"],
  ["::ffff:192.0.2.128", "::ffff:192.0.2.128"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
];

Deno.test("inetAddress() and inetOf() keep an IPv4 address, byte by byte as ip(7) has it", () => {
  const address = inetAddress("192.0.2.1", 6432)!;
  assert.deepEqual([...address.bytes], [2, 0, 0x19, 0x20, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(inetOf(address.bytes), { host: "192.0.2.1", port: 6432 });
});

Deno.test("inetOf() writes IPv6 as RFC 5952 asks, whichever way it was given", () => {
  for (const [given, written] of IPV6) {
    assert.deepEqual(inetOf(inetAddress(given, 5432)!.bytes), { host: written, port: 5432 }, given);
  }
});

Deno.test("inetAddress() reads what inetOf() writes, for any address", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535), (groups, port) => {
      const bytes = inetAddress("::", port)!.bytes;
      // Runs of zeros are what the short form is about.
      bytes.set(groups.map((byte, i) => (groups[i >> 1]! & 1) === 0 ? 0 : byte), 8);
      const { host } = inetOf(bytes)!;
      assert.deepEqual(inetAddress(host, port)!.bytes, bytes, host);
    }),
  );
});

Deno.test("inetAddress() leaves names and zones to others", () => {
  for (const host of ["localhost", "256.1.1.1", "1.2.3", "::1::", "fe80::1%eth0", ""]) {
    assert.equal(inetAddress(host, 1), null, host);
  }
});

Deno.test("unixAddress() ends the path with a NUL and refuses one that the kernel has no room for", () => {
  assert.deepEqual([...unixAddress("/a").bytes], [1, 0, 0x2f, 0x61, 0]);
  assert.equal(inetOf(unixAddress("/a").bytes), null);
  assert.equal(unixAddress(`/${"x".repeat(106)}`).bytes.length, 110);
  assert.throws(() => unixAddress(`/${"x".repeat(107)}`), /108 bytes, at most 107/);
});

Deno.test("namedUnixAddress takes @ for a name without a file, and nothing behind the name", () => {
  assert.deepEqual([...namedUnixAddress("@ab").bytes], [1, 0, 0, 0x61, 0x62]);
  assert.deepEqual(namedUnixAddress("/ab"), unixAddress("/ab"));
});
