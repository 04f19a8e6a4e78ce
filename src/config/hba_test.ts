import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { addressBytes, type HbaClient, identAllows, parseHba, parseIdent, ruleFor } from "./hba.ts";

/** The line of the rule that is for a client on the network, whatever this says otherwise. */
function lineFor(text: string, client: Partial<HbaClient> = {}): number | null {
  const rules = parseHba(text);
  ok(Array.isArray(rules), JSON.stringify(rules));
  const whole = {
    database: "app",
    user: "alice",
    address: "10.1.2.3",
    tls: false,
    replication: false,
    ...client,
  };
  return ruleFor(rules, whole)?.line ?? null;
}

Deno.test("parseHba reads lists, quotes, comments and options", () => {
  deepEqual(parseHba('# a comment\n\nhostssl app,"all" alice, bob 10.0.0.0/8 cert map=m # why\n'), [{
    line: 3,
    connection: "hostssl",
    databases: [{ text: "app", quoted: false }, { text: "all", quoted: true }],
    users: [{ text: "alice", quoted: false }, { text: "bob", quoted: false }],
    address: { bytes: [10, 0, 0, 0], bits: 8 },
    method: "cert",
    map: "m",
  }]);
});

Deno.test("ruleFor takes the first rule that is for a client, by the kind of its connection", () => {
  const text = "local all all trust\nhostssl all all all cert\nhostnossl all all all reject\n";
  equal(lineFor(text, { address: null }), 1);
  equal(lineFor(text, { tls: true }), 2);
  equal(lineFor(text), 3);
  equal(lineFor("local all all trust\n"), null);
});

Deno.test("ruleFor compares databases and users, with the words that stand for some", () => {
  equal(lineFor("host other,app all all md5\n"), 1);
  equal(lineFor('host "all" all all md5\n'), null);
  equal(lineFor("host sameuser all all md5\n"), null);
  equal(lineFor("host sameuser all all md5\n", { database: "alice" }), 1);
  equal(lineFor("host all bob all md5\nhost all alice all md5\n"), 2);
  equal(lineFor("host all all all md5\nhost replication all all md5\n", { replication: true }), 2);
});

Deno.test("ruleFor compares addresses by their first bits, of either family", () => {
  equal(lineFor("host all all 10.1.0.0/16 md5\n"), 1);
  equal(lineFor("host all all 10.1.2.0 255.255.255.0 md5\n"), 1);
  equal(lineFor("host all all 10.1.2.4/31 md5\n"), null);
  equal(lineFor("host all all 10.1.2.2/31 md5\n"), 1);
  equal(lineFor("host all all 0.0.0.0/0 md5\n", { address: "::1" }), null);
  equal(lineFor("host all all ::/0 md5\n", { address: "fe80::1%eth0" }), 1);
  equal(lineFor("host all all 10.0.0.0/8 md5\n", { address: "::ffff:10.9.9.9" }), 1);
});

Deno.test("parseHba says of each line why it cannot be used", () => {
  const lines = [
    "peer all all trust",
    "host all all trust",
    "host all all 10.0.0.1 trust",
    "host all all 10.0.0.0/33 trust",
    "host all all 10.0.0.0 255.0.255.0 trust",
    "host all all db.example.com trust",
    "host all +admins all trust",
    "host samerole all all trust",
    "host all all 10.0.0.0/8 peer",
    'local "all',
    "local all",
  ];
  const parsed = parseHba(lines.join("\n"));
  ok("problems" in parsed);
  deepEqual(parsed.problems.map(({ line }) => line), lines.map((_, index) => index + 1));
});

Deno.test("parseIdent and identAllows say which users a certificate's name may be", () => {
  const lines = parseIdent('# map name user\nm "CN of Alice" alice\nm root all\n');
  ok(Array.isArray(lines));
  equal(identAllows(lines, "m", { system: "CN of Alice", user: "alice" }), true);
  equal(identAllows(lines, "m", { system: "CN of Alice", user: "bob" }), false);
  equal(identAllows(lines, "m", { system: "root", user: "bob" }), true);
  equal(identAllows(lines, "other", { system: "root", user: "bob" }), false);
  ok("problems" in parseIdent("m /^x x\n") && "problems" in parseIdent("m x\n"));
});

Deno.test("addressBytes reads IPv4 and IPv6, and nothing else", () => {
  deepEqual(addressBytes("1.2.3.4"), [1, 2, 3, 4]);
  deepEqual(addressBytes("::1"), [...Array(15).fill(0), 1]);
  deepEqual(addressBytes("2001:db8::ff00:42"), [
    0x20,
    1,
    0xd,
    0xb8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0xff,
    0,
    0,
    0x42,
  ]);
  for (const text of ["256.1.1.1", "1.2.3", "::1::", "1:2:3:4:5:6:7:8:9", "x", "", ":::1", "12345::"]) {
    equal(addressBytes(text), null, text);
  }
});
