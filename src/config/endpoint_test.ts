import assert from "node:assert/strict";
import { parseEndpoint, parseHostPort } from "./endpoint.ts";

Deno.test("an endpoint is a name or an address with its port, by TLS or not", () => {
  assert.deepEqual(parseEndpoint("http://etcd-1.example:2379"), {
    host: "etcd-1.example",
    port: 2379,
    isSecure: false,
  });
  assert.deepEqual(parseEndpoint("https://10.0.0.9:2379/"), { host: "10.0.0.9", port: 2379, isSecure: true });
  assert.deepEqual(parseEndpoint("https://[fd00::9]:1"), { host: "fd00::9", port: 1, isSecure: true });
});

for (
  const text of [
    "10.0.0.9:2379",
    "https://:2379",
    "https://10.0.0.9",
    "http://a:0",
    "http://a:65536",
    "http://user:password@a:1",
    "http://a:1/v3",
    "unix:///run/etcd.sock",
    "http://fd00::9:2379",
    "http://a b:1",
    "",
  ]
) {
  Deno.test(`"${text}" is no endpoint`, () => assert.equal("expected" in parseEndpoint(text), true));
}

Deno.test("a host and port is split at the last colon, brackets around an IPv6 address", () => {
  assert.deepEqual(parseHostPort("10.0.0.5:6432"), { host: "10.0.0.5", port: 6432 });
  assert.deepEqual(parseHostPort("[fd00::5]:6432"), { host: "fd00::5", port: 6432 });
  for (const text of ["10.0.0.5", ":6432", "a:b", "http://a:1", "a:70000"]) {
    assert.equal(parseHostPort(text), null);
  }
});
