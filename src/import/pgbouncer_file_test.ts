import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { readPgBouncerFile } from "./pgbouncer_file.ts";

function reader(files: Record<string, string>) {
  return (path: string) =>
    files[path] === undefined ? Promise.reject(new Error("no such file")) : Promise.resolve(files[path]);
}

Deno.test("readPgBouncerFile reads included files in their place, and the section goes on behind them", async () => {
  const read = reader({ a: "[pgbouncer]\nx = 1\n%include b\nz = 3", b: "y = 2\n[databases]" });
  deepEqual(
    (await readPgBouncerFile("a", read)).entries.map(({ section, key, place }) => [section, key, place]),
    [
      ["pgbouncer", "x", "a:2"],
      ["pgbouncer", "y", "b:1"],
      ["databases", "z", "a:4"],
    ],
  );
});

Deno.test("readPgBouncerFile goes on where an included file or a line cannot be read, and says so", async () => {
  const { entries, problems } = await readPgBouncerFile("a", reader({ a: "[s]\n%include b\noops\nx = 1" }));
  deepEqual([entries.length, problems], [1, [
    "a:2: cannot read b: no such file",
    "a:3: no key = value; PgBouncer refuses the file for it",
  ]]);
});

Deno.test("readPgBouncerFile ends where files include each other", async () => {
  const { problems } = await readPgBouncerFile("a", reader({ a: "%include a" }));
  deepEqual(problems, ["a:1: includes more than 10 deep"]);
});

Deno.test("readPgBouncerFile rejects where the file itself cannot be read", async () => {
  await rejects(readPgBouncerFile("a", reader({})), /no such file/);
});
