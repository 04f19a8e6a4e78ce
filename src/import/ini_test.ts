import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { parseIni } from "./ini.ts";

Deno.test("parseIni reads sections, entries and includes with their lines, and skips comments", () => {
  const text =
    "; one\n# two\n[pgbouncer]\r\n  listen_port =  6432 ; stays \n%include /etc/more.ini\n\n[databases]\n";
  deepEqual(parseIni(text), [
    { line: 3, kind: "section", name: "pgbouncer" },
    { line: 4, kind: "entry", key: "listen_port", value: "6432 ; stays" },
    { line: 5, kind: "include", file: "/etc/more.ini" },
    { line: 7, kind: "section", name: "databases" },
  ]);
});

Deno.test("parseIni takes keys in quotes, the wildcard, and empty values", () => {
  deepEqual(parseIni('"my ""app"" = 1" = host=h\n* = \nx.y-z=a=b'), [
    { line: 1, kind: "entry", key: 'my "app" = 1', value: "host=h" },
    { line: 2, kind: "entry", key: "*", value: "" },
    { line: 3, kind: "entry", key: "x.y-z", value: "a=b" },
  ]);
});

Deno.test("parseIni names what PgBouncer would refuse", () => {
  deepEqual(parseIni("[users\nno value\n%exec rm").map((line) => line.kind), ["broken", "broken", "broken"]);
});
