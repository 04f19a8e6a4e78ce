import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { parseIni } from "./ini.ts";
import { readDatabases } from "./clusters.ts";

function read(text: string, authUser: string | null = null) {
  const entries = parseIni(text).flatMap((line) =>
    line.kind === "entry" ? [{ ...line, section: "databases", place: `f:${line.line}` }] : []
  );
  return readDatabases(entries, { socketDir: "/tmp", authUser });
}

Deno.test("readDatabases makes one cluster of lines that lead to the same servers", () => {
  const { clusters, databases } = read("a = host=db1 port=5433\nb = port=5433 host=db1 dbname=x");
  deepEqual(clusters, [{ name: "main", hosts: ["db1"], port: 5433, authUser: null }]);
  deepEqual(databases.map(({ name, cluster }) => [name, cluster]), [["a", "main"], ["b", "main"]]);
});

Deno.test("readDatabases names clusters after their first hosts, each once", () => {
  const text = "a = host=db1.example.com\nb = host=10.0.0.1,10.0.0.2\nc =\nd = port=1\ne = host=db1.other\n" +
    "f = host=db1.third\ng = host=::1";
  deepEqual(read(text).clusters.map(({ name, hosts }) => [name, hosts]), [
    ["db1", ["db1.example.com"]],
    ["db-10-0-0-1", ["10.0.0.1", "10.0.0.2"]],
    ["local", ["/tmp"]],
    ["local-1", ["/tmp"]],
    ["db1-5432", ["db1.other"]],
    ["db1-5432-2", ["db1.third"]],
    ["db--1", ["::1"]],
  ]);
});

Deno.test("readDatabases makes another cluster for another auth_user", () => {
  deepEqual(
    read("a = host=h\nb = host=h auth_user=other", "asks").clusters.map(({ authUser }) => authUser),
    ["asks", "other"],
  );
});

Deno.test("readDatabases takes the last of two lines with one name, and reports those it cannot read", () => {
  const { databases, problems } = read(
    "a = host=h\na = host=h dbname=two\nb = host\nc = host=h port=no password=p",
  );
  deepEqual(databases.map(({ pairs }) => pairs), [[["host", "h"], ["dbname", "two"]]]);
  deepEqual(problems.length, 2);
  ok(!problems.join().includes("password=p"));
});
