import { strictEqual as equal } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { serverApplicationName } from "./application_name.ts";

const a = (n: number) => "a".repeat(n);

// What PostgreSQL 14 and 18 report to a client that logs in with the name.
for (
  const [encoding, given, fourteen, eighteen] of [
    ["UTF8", "caf\xe9", "caf?", "caf\\xe9"],
    ["UTF8", "\xc3\xa4\n", "???", "\\xc3\\xa4\\x0a"],
    ["UTF8", "a\\x~\x7f ", "a\\x~? ", "a\\x~\\x7f "],
    ["UTF8", a(70), a(63), a(63)],
    ["UTF8", a(62) + "\xc3\xa4b", a(62), a(62)],
    ["UTF8", a(61) + "\xf0\x9f\x98\x80", a(61), a(61)],
    ["LATIN1", "caf\xe9", "caf?", "caf\\xe9"],
  ] as const
) {
  Deno.test(`serverApplicationName makes of ${JSON.stringify(given)} what servers with ${encoding} do`, () => {
    for (
      const [version, expected] of [["14.20", fourteen], ["15.1", fourteen], ["16.2", eighteen], [
        "18.1",
        eighteen,
      ]]
    ) {
      const settings = Settings.from([["server_version", version!], ["server_encoding", encoding]]);
      equal(serverApplicationName(given, settings), expected, version);
    }
  });
}

Deno.test("serverApplicationName cuts before it cleans, and never gives more than a SET takes", () => {
  const of = (version: string, encoding: string, given: string) =>
    serverApplicationName(given, Settings.from([["server_version", version], ["server_encoding", encoding]]));
  equal(of("14.20", "UTF8", "\xc3\xa4".repeat(40)), "?".repeat(62));
  equal(of("14.20", "LATIN1", "\xc3\xa4".repeat(40)), "?".repeat(63));
  equal(of("14.20", "UTF8", a(62) + "\x80\x80"), a(62) + "?");
  equal(of("14.20", "LATIN1", a(62) + "\xc3\xa4b"), a(62) + "?");
  equal(of("18.1", "UTF8", "\xc3\xa4".repeat(40)), "\\xc3\\xa4".repeat(8).slice(0, 63));
});
