import assert from "node:assert/strict";
import {
  exportsTypesOnly,
  FILE_LINES_MAX,
  importCircles,
  importedFiles,
  largeFolders,
  longFiles,
  structureProblems,
  untestedFiles,
} from "./structure.ts";

const sources = (files: Readonly<Record<string, string>>) => new Map(Object.entries(files));
const keys = (problems: readonly { key: string }[]) => problems.map(({ key }) => key);
const lines = (count: number) => "x;\n".repeat(count);

Deno.test("importedFiles() finds each way to write a relative import, once, and nothing else", () => {
  for (
    const source of [
      `import { a } from "../b/c.ts";`,
      `import {\n  a,\n  type B as C,\n} from "../b/c.ts";`,
      `import type { A } from "../b/c.ts";`,
      `import * as c from "../b/c.ts";`,
      `import c, { a } from "../b/c.ts";`,
      `import "../b/c.ts";`,
      `export * from "../b/c.ts";`,
      `export * as c from "../b/c.ts";`,
      `export { a } from "../b/c.ts";`,
      `export type { A } from "../b/c.ts";`,
      `const c = await import("../b/c.ts");`,
      `type A = import("../b/c.ts").A;`,
      `import { a } from "../b/c.ts";\nimport type { B } from "./../b/c.ts";`,
    ]
  ) assert.deepEqual(importedFiles("src/a/a.ts", source), ["src/b/c.ts"], source);
  for (
    const source of [
      `import { a } from "node:assert";`,
      `import { a } from "yaml";`,
      `export const a = "../b/c.ts";`,
      `export interface A {\n  /** Comes from "./b.ts". */\n  a: 1;\n}`,
      `f(\`import { a } from "./b.ts";\`);`,
      ` * import { a } from "./b.ts";`,
    ]
  ) assert.deepEqual(importedFiles("src/a/a.ts", source), [], source);
});

Deno.test("importCircles() finds circles of values, of types and of re-exports, each once", () => {
  const circle = (first: string, second: string) =>
    importCircles(sources({ "src/a/a.ts": first, "src/a/b.ts": second, "src/a/c.ts": `import "./a.ts";` }));
  assert.deepEqual(keys(circle(`import { b } from "./b.ts";`, `import { a } from "./a.ts";`)), [
    "circle src/a/a.ts",
  ]);
  assert.equal(circle(`import type { B } from "./b.ts";`, `import type { A } from "./a.ts";`).length, 1);
  assert.equal(circle(`export * from "./b.ts";`, `export type { A } from "./a.ts";`).length, 1);
  assert.equal(circle(`type B = import("./b.ts").B;`, `import "./a.ts";`).length, 1);
  assert.deepEqual(circle(`import "./b.ts";`, ""), []);
  assert.equal(circle("", `import "./b.ts";`).length, 1);
});

Deno.test("importCircles() names all files of a long circle, and keeps two circles apart", () => {
  const found = importCircles(sources({
    "src/a/a.ts": `import "../b/b.ts";`,
    "src/b/b.ts": `import "../c/c.ts";\nimport "./alone.ts";`,
    "src/b/alone.ts": `import "./missing.ts";`,
    "src/c/c.ts": `import "../a/a.ts";`,
    "src/d/d.ts": `import "./e.ts";\nimport "../a/a.ts";`,
    "src/d/e.ts": `import "./d.ts";`,
  }));
  assert.deepEqual(keys(found).sort(), ["circle src/a/a.ts", "circle src/d/d.ts"]);
  assert.equal(
    found.find(({ key }) => key === "circle src/a/a.ts")!.message,
    "3 files import each other in a circle: src/a/a.ts, src/b/b.ts, src/c/c.ts",
  );
});

Deno.test("longFiles() allows 500 lines, and more to tests", () => {
  const found = longFiles(sources({
    "src/a/a.ts": lines(FILE_LINES_MAX),
    "src/a/b.ts": lines(FILE_LINES_MAX + 1),
    "src/a/c.ts": `${lines(FILE_LINES_MAX)}no newline at the end`,
    "src/a/b_test.ts": lines(FILE_LINES_MAX + 1),
    "tools/d.ts": lines(FILE_LINES_MAX + 1),
  }));
  assert.deepEqual(keys(found), ["long src/a/b.ts", "long src/a/c.ts", "long tools/d.ts"]);
  assert.match(found[0]!.message, /may have 500 lines: received 501 of src\/a\/b\.ts/);
});

Deno.test("largeFolders() allows a fifth of the lines of src/, tests not counted", () => {
  const small = Object.fromEntries(["b", "c", "d", "e"].map((name) => [`src/${name}/${name}.ts`, lines(20)]));
  assert.deepEqual(largeFolders(sources({ ...small, "src/a/a.ts": lines(20) })), []);
  const tests = { "src/a/a_test.ts": lines(90), "tools/a.ts": lines(90) };
  assert.deepEqual(largeFolders(sources({ ...small, "src/a/a.ts": lines(20), ...tests })), []);
  const parts = { "src/a/a.ts": lines(11), "src/a/deep/b.ts": lines(10), "src/app.ts": "" };
  const [found, ...others] = largeFolders(sources({ ...small, ...parts }));
  assert.deepEqual(others, []);
  assert.equal(
    found!.message,
    "A folder of src/ may have 20.0% of its lines: received 20.8% (21 of 101) in src/a/",
  );
  // A file directly in src/ counts in the sum, and belongs to no folder.
  assert.deepEqual(largeFolders(sources({ ...small, "src/a/a.ts": lines(21), "src/app.ts": lines(90) })), []);
});

Deno.test("untestedFiles() asks for a test beside each pure file that does something", () => {
  const value = "/** A. */\nexport const a = 1;";
  const found = untestedFiles(
    sources({
      "src/protocol/a.ts": value,
      "src/protocol/tested.ts": value,
      "src/protocol/tested_test.ts": "",
      "src/protocol/types.ts": "export interface A {}\nexport type B = 1;\nexport type { C } from './c.ts';",
      "src/protocol/mod.ts": `export * from "./a.ts";`,
      "src/protocol/run.ts": "f();",
      "src/transport/a.ts": value,
      "src/console/wire/a.ts": value,
      "src/console/a.ts": value,
      "src/app.ts": value,
      "tools/a.ts": value,
    }),
    {},
  );
  assert.deepEqual(keys(found), [
    "untested src/protocol/a.ts",
    "untested src/protocol/run.ts",
    "untested src/console/wire/a.ts",
  ]);
});

Deno.test("untestedFiles() takes a reason in place of a test, and refuses one that nobody needs", () => {
  const value = "export const a = 1;";
  const tree = sources({
    "src/protocol/a.ts": value,
    "src/protocol/b.ts": value,
    "src/protocol/b_test.ts": "",
    "src/transport/c.ts": value,
  });
  const reasons = {
    "src/protocol/a.ts": "because",
    "src/protocol/b.ts": "it has a test by now",
    "src/protocol/gone.ts": "it is gone",
    "src/transport/c.ts": "it is not pure",
  };
  assert.deepEqual(keys(untestedFiles(tree, reasons)), [
    "stale reason src/protocol/b.ts",
    "stale reason src/protocol/gone.ts",
    "stale reason src/transport/c.ts",
  ]);
});

Deno.test("exportsTypesOnly() is false for files with a value, a re-export of everything, or no export", () => {
  assert.equal(exportsTypesOnly("export type A = 1;\nexport interface B {}\nconst c = 1;"), true);
  for (
    const source of [
      "export const a = 1;\nexport type A = 1;",
      "export class A {}",
      "export async function f() {}",
      "export enum A {}",
      "export abstract class A {}",
      `export * from "./a.ts";`,
      "export { a };",
      "export default 1;",
      "const a = 1;",
      "",
    ]
  ) assert.equal(exportsTypesOnly(source), false, source);
});

Deno.test("structureProblems() leaves out what is known, and says what is not true any more", () => {
  const tree = sources({
    "src/kernel/a.ts": `import "./b.ts";\n${lines(500)}`,
    "src/kernel/b.ts": `import "./a.ts";`,
    "src/transport/c.ts": lines(400),
  });
  const all = [
    "circle src/kernel/a.ts",
    "long src/kernel/a.ts",
    "large src/kernel",
    "large src/transport",
    "untested src/kernel/a.ts",
    "untested src/kernel/b.ts",
  ];
  assert.deepEqual(keys(structureProblems(tree, { known: [], untested: {} })), all);
  assert.deepEqual(structureProblems(tree, { known: all, untested: {} }), []);
  const [first, ...rest] = all;
  assert.deepEqual(keys(structureProblems(tree, { known: rest, untested: {} })), [first]);
  assert.deepEqual(keys(structureProblems(tree, { known: [...all, "long src/b.ts"], untested: {} })), [
    "stale long src/b.ts",
  ]);
  assert.equal(structureProblems(tree, { known: all.slice(0, 4), untested: {} }).length, 2);
});
