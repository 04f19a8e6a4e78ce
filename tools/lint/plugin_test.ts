import assert from "node:assert/strict";
import { folderOf, importProblem, isPure, LAYERS, placeOf, resolvePath, SUBLAYERS } from "./layers.ts";
import plugin, { repositoryPath } from "./plugin.ts";

/** The rules that `source` breaks when it stands at `path`, in the order of the file. */
function broken(path: string, source: string): string[] {
  const found = Deno.lint.runPlugin(plugin, path, source);
  return found.sort((a, b) => a.range[0] - b.range[0]).map(({ id }) => id.replace("pgplex/", ""));
}

/** The messages of all findings, joined. */
function messages(path: string, source: string): string {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message).join("\n");
}

Deno.test("LAYERS lists each folder's imports above the folder itself, so that no circle can exist", () => {
  const above = new Set<string>();
  for (const [name, layer] of Object.entries(LAYERS)) {
    for (const imported of layer.imports) assert(above.has(imported), `${name} imports ${imported}`);
    above.add(name);
  }
});

Deno.test("importProblem() is null exactly for the pairs of folders that the table allows", () => {
  for (const [from, layer] of Object.entries(LAYERS)) {
    for (const to of Object.keys(LAYERS)) {
      const allowed = from === to || layer.imports.includes(to);
      assert.equal(
        importProblem(`src/${from}/a.ts`, `../${to}/mod.ts`) === null,
        allowed,
        `${from} to ${to}`,
      );
      assert.equal(importProblem(`src/${from}/a.ts`, `../${to}/deep/file.ts`) === null, allowed);
    }
  }
});

Deno.test("SUBLAYERS lists inner folders as LAYERS does, each below a folder that LAYERS has", () => {
  for (const [outer, table] of Object.entries(SUBLAYERS)) {
    assert(Object.hasOwn(LAYERS, outer), outer);
    const above = new Set<string>();
    for (const [name, layer] of Object.entries(table)) {
      for (const imported of layer.imports) {
        assert(above.has(imported), `${outer}/${name} imports ${imported}`);
      }
      above.add(name);
    }
  }
});

Deno.test("importProblem() is null exactly for the pairs of inner folders that the table allows, through their mod.ts", () => {
  for (const [outer, table] of Object.entries(SUBLAYERS)) {
    const names = Object.keys(table);
    for (const [from, layer] of Object.entries(table)) {
      for (const to of names.filter((name) => name !== from)) {
        const allowed = layer.imports.includes(to);
        const file = `src/${outer}/${from}/a.ts`;
        assert.equal(importProblem(file, `../${to}/mod.ts`) === null, allowed, `${from} to ${to}`);
        assert.notEqual(importProblem(file, `../${to}/file.ts`), null, `${from} past the mod.ts of ${to}`);
        assert.notEqual(importProblem(file, `../${to}/deep/mod.ts`), null);
        const below = names.indexOf(to) < names.indexOf(from);
        assert.equal(
          importProblem(`src/${outer}/${from}/a_test.ts`, `../${to}/mod.ts`) === null,
          allowed || below,
        );
      }
    }
  }
});

Deno.test("importProblem() lets an inner folder import its own files, and none that put it to use", () => {
  for (const [outer, table] of Object.entries(SUBLAYERS)) {
    for (const name of Object.keys(table)) {
      const file = `src/${outer}/${name}/a.ts`;
      assert.equal(importProblem(file, "./b.ts"), null);
      assert.notEqual(importProblem(file, "./mod.ts"), null);
      assert.notEqual(importProblem(file, "../mod.ts"), null);
      assert.notEqual(importProblem(file, "../outer.ts"), null);
      assert.notEqual(importProblem(`src/${outer}/${name}/a_test.ts`, "../outer.ts"), null);
      assert.equal(importProblem(`src/${outer}/outer.ts`, `./${name}/mod.ts`), null);
      assert.notEqual(importProblem(`src/${outer}/outer.ts`, `./${name}/a.ts`), null);
    }
  }
});

Deno.test("importProblem() lets inner folders import of src/ what the outer one may", () => {
  for (const [outer, table] of Object.entries(SUBLAYERS)) {
    for (const name of Object.keys(table)) {
      for (const to of Object.keys(LAYERS).filter((each) => each !== outer)) {
        const allowed = LAYERS[outer]!.imports.includes(to);
        assert.equal(importProblem(`src/${outer}/${name}/a.ts`, `../../${to}/mod.ts`) === null, allowed);
      }
    }
  }
});

Deno.test("importProblem() says what is wrong with an import between inner folders", () => {
  assert.equal(
    importProblem("src/console/wire/a.ts", "../parts/mod.ts"),
    "src/console/wire/ may import answer/ of src/console/: received src/console/parts/",
  );
  assert.equal(
    importProblem("src/console/answer/a.ts", "../wire/mod.ts"),
    "src/console/answer/ may import no other folder of src/console/: received src/console/wire/",
  );
  assert.equal(
    importProblem("src/console/wire/a.ts", "../answer/table.ts"),
    "src/console/answer/ is imported through its mod.ts: received src/console/answer/table.ts",
  );
  assert.equal(
    importProblem("src/console/wire/a.ts", "../console.ts"),
    "src/console/wire/ may not import the files that put it to use: received src/console/console.ts",
  );
  assert.match(importProblem("src/console/util/a.ts", "./b.ts")!, /lists no util\/ in src\/console\//);
});

Deno.test("importProblem() lets tests import what helps other tests, also from an inner folder", () => {
  assert.equal(importProblem("src/console/wire/a_test.ts", "../answer/fake_test.ts"), null);
  assert.notEqual(importProblem("src/console/wire/a.ts", "../answer/fake_test.ts"), null);
});

Deno.test("isPure() is true for the pure folders inside a folder that is not", () => {
  for (const [outer, table] of Object.entries(SUBLAYERS)) {
    for (const [name, layer] of Object.entries(table)) {
      assert.equal(isPure(`src/${outer}/${name}/a.ts`), layer.pure || LAYERS[outer]!.pure);
      assert.equal(isPure(`src/${outer}/${name}/a_test.ts`), false);
    }
    assert.equal(isPure(`src/${outer}/a.ts`), LAYERS[outer]!.pure);
  }
  assert.notEqual(importProblem("src/console/wire/a.ts", "node:fs"), null);
  assert.deepEqual(broken("src/console/wire/a.ts", "f(Date.now());"), ["pure"]);
  assert.match(messages("src/console/wire/a.ts", "f(Date.now());"), /^src\/console\/wire\/ is pure/);
});

Deno.test("folderOf() names the inner folder where it is one with rules of its own", () => {
  const folder = (path: string) => {
    const place = placeOf(path);
    return place.kind === "layer" ? folderOf(place) : null;
  };
  assert.equal(folder("src/console/wire/a.ts"), "src/console/wire");
  assert.equal(folder("src/console/a.ts"), "src/console");
  assert.equal(folder("src/transport/epoll/a.ts"), "src/transport");
});

Deno.test("importProblem() names both folders and what would have been allowed", () => {
  assert.equal(
    importProblem("src/pool/pool.ts", "../session/mod.ts"),
    "src/pool/ may import kernel/, telemetry/: received src/session/",
  );
  assert.equal(
    importProblem("src/kernel/a.ts", "../protocol/mod.ts"),
    "src/kernel/ may import no other folder: received src/protocol/",
  );
});

Deno.test("importProblem() keeps tests, tools and the composition root out of the layers", () => {
  assert.notEqual(importProblem("src/session/a.ts", "../process.ts"), null);
  assert.notEqual(importProblem("src/session/a.ts", "../../main.ts"), null);
  assert.notEqual(importProblem("src/session/a.ts", "../../tests/support.ts"), null);
  assert.notEqual(importProblem("src/session/a.ts", "./a_test.ts"), null);
  assert.equal(importProblem("src/session/a_test.ts", "../../tests/support.ts"), null);
  assert.equal(importProblem("src/process.ts", "./session/mod.ts"), null);
  assert.equal(importProblem("main.ts", "./src/process.ts"), null);
  assert.equal(importProblem("tests/integration/a_test.ts", "../../src/ha/mod.ts"), null);
});

Deno.test("importProblem() lets pure folders import only what computes", () => {
  assert.equal(importProblem("src/auth/scram.ts", "node:crypto"), null);
  assert.notEqual(importProblem("src/auth/scram.ts", "node:fs"), null);
  assert.equal(importProblem("src/auth/scram.ts", "@mongodb-js/saslprep"), null);
  assert.notEqual(importProblem("src/protocol/scram.ts", "@mongodb-js/saslprep"), null);
  assert.notEqual(importProblem("src/config/parse.ts", "yaml-other"), null);
  assert.equal(importProblem("src/transport/tls.ts", "node:tls"), null);
  assert.equal(importProblem("src/config/yaml.ts", "node:process"), null);
  assert.equal(importProblem("src/pool/pool_test.ts", "fast-check"), null);
});

Deno.test("placeOf() calls a file stray when it stands in src/ but in no layer", () => {
  assert.equal(placeOf("src/util.ts").kind, "stray");
  assert.equal(placeOf("src/constructor/a.ts").kind, "stray");
  assert.equal(placeOf("src/process.ts").kind, "root");
  assert.equal(placeOf("tools/lint/plugin.ts").kind, "outside");
});

Deno.test("resolvePath() follows dots and keeps those that leave the repository", () => {
  assert.equal(resolvePath("src/pool/a.ts", "./b.ts"), "src/pool/b.ts");
  assert.equal(resolvePath("src/pool/a.ts", "../kernel/./x/../mod.ts"), "src/kernel/mod.ts");
  assert.equal(resolvePath("a.ts", "../../b.ts"), "../../b.ts");
});

Deno.test("repositoryPath() accepts absolute paths, URLs and relative paths", () => {
  const url = new URL("../../src/pool/a.ts", import.meta.url);
  assert.equal(repositoryPath(url.href), "src/pool/a.ts");
  assert.equal(repositoryPath(url.pathname), "src/pool/a.ts");
  assert.equal(repositoryPath("src/pool/a.ts"), "src/pool/a.ts");
});

Deno.test("layers finds each way to write an import", () => {
  for (
    const source of [
      `import { a } from "../session/mod.ts";`,
      `import type { A } from "../session/mod.ts";`,
      `import "../session/mod.ts";`,
      `export * from "../session/mod.ts";`,
      `export { a } from "../session/mod.ts";`,
      `await import("../session/mod.ts");`,
      `type A = import("../session/mod.ts").A;`,
    ]
  ) {
    assert.deepEqual(broken("src/pool/a.ts", source), ["layers"], source);
    assert.deepEqual(broken("src/login/a.ts", source), [], source);
  }
});

Deno.test("pure finds what touches time, randomness and the system", () => {
  for (
    const source of [
      "Deno.readTextFileSync('a');",
      "setTimeout(() => {}, 1);",
      "const f = () => setInterval(f, 1);",
      "queueMicrotask(() => {});",
      "f(performance.now());",
      "f(new Date());",
      "f(Date.now());",
      "type A = { at: Date };",
      "f(Math.random());",
      'f(Math["random"]());',
      "f(crypto.subtle);",
      "console.log(1);",
      "await fetch('a');",
      "f(globalThis.x);",
      "f({ Date });",
      "f({ at: Date });",
      "const { now } = Date;",
      "class A { now = Date.now(); }",
      "function f(at = Date.now()) {}",
      'import { randomBytes } from "node:crypto";',
      'import * as c from "node:crypto"; f(c.randomBytes(1));',
    ]
  ) {
    assert.deepEqual(broken("src/protocol/a.ts", source), ["pure"], source);
    assert(!broken("src/transport/a.ts", source).includes("pure"), source);
    assert.deepEqual(broken("src/protocol/a_test.ts", source), [], source);
  }
});

Deno.test("pure leaves alone properties, labels and names that the file declares", () => {
  for (
    const source of [
      "f(x.Date, x.console.y, x?.fetch);",
      "f({ Date: 1, console: 2 });",
      "interface A { Date: number; fetch(process: string): void; f: (self: A) => void }",
      "class A { fetch() {} performance = 1; }",
      "function f(crypto: number) { return crypto; }",
      "function f({ process }: { process: number }) { return process; }",
      "const { Date: day } = x;",
      "for (const process of x) f(process);",
      'import * as crypto from "node:crypto"; f(crypto.createHash);',
      'import crypto from "node:crypto"; f(crypto.createHash);',
      "try { f(); } catch (self) { f(self); }",
      "f(Math.max(1, 2), x.random());",
    ]
  ) assert.deepEqual(broken("src/protocol/a.ts", source), [], source);
});

Deno.test("pure says what to use in place of the clock", () => {
  const [found] = Deno.lint.runPlugin(plugin, "src/pool/a.ts", "f(Date.now());");
  assert.equal(found?.message, "src/pool/ is pure and may not mention Date");
  assert.equal(found?.hint, "use Clock.wallMs of kernel/");
});

Deno.test("no-console speaks once about src/ and never about main.ts and tests", () => {
  assert.deepEqual(broken("src/transport/a.ts", "console.error(1);"), ["no-console"]);
  assert.deepEqual(broken("src/process.ts", "console.error(1);"), ["no-console"]);
  assert.deepEqual(broken("main.ts", "console.error(1);"), []);
  assert.deepEqual(broken("src/session/a_test.ts", "console.error(1);"), []);
});

Deno.test("no-module-state finds variables and containers that live as long as the module", () => {
  for (
    const source of [
      "let a = 1;",
      "var a = 1;",
      "const a = new Map();",
      "const a = new Set<string>();",
      "const a: Map<string, number> = new Map();",
      "const a = new WeakMap();",
      "const a = new Array(10);",
      "const a: string[] = [];",
      "const a = {} as Record<string, number>;",
      "class A { static count = 0; }",
      "class A { static readonly all = new Map(); }",
    ]
  ) {
    assert.deepEqual(broken("src/session/a.ts", source), ["no-module-state"], source);
    assert.deepEqual(broken("src/session/a_test.ts", source), [], source);
    assert.deepEqual(broken("tests/a.ts", source), [], source);
  }
  assert.deepEqual(broken("src/session/a.ts", "/** A. */\nexport let a = 1;"), ["no-module-state"]);
});

Deno.test("no-module-state leaves alone tables, and variables that live shorter", () => {
  for (
    const source of [
      "const a = 1;",
      "const a: ReadonlyMap<string, number> = new Map();",
      "const a: ReadonlySet<string> = new Set(['a']);",
      "const a = new Map() as ReadonlyMap<string, number>;",
      "const a: readonly string[] = [];",
      "const a = [] as readonly string[];",
      "const a = Object.freeze([]);",
      "const a = ['x', 'y'] as const;",
      "const a = { x: 1 } as const satisfies Record<string, number>;",
      "const a = new Uint8Array(256);",
      "function f() { let a = new Map(); return a; }",
      "class A { static readonly limit = 10; #all = new Map(); }",
      "declare let a: number;",
    ]
  ) assert.deepEqual(broken("src/session/a.ts", source), [], source);
});

Deno.test("exported-docs asks for a doc comment on what a file exports", () => {
  assert.deepEqual(broken("src/session/a.ts", "export function f() {}"), ["exported-docs"]);
  assert.deepEqual(broken("src/session/a.ts", "// no\nexport const a = 1;"), ["exported-docs"]);
  assert.deepEqual(broken("src/session/a.ts", "export default class A {}"), ["exported-docs"]);
  assert.match(messages("src/session/a.ts", "export interface Shape {}"), /received none for Shape/);
  assert.deepEqual(broken("src/session/a.ts", "/** F. */\nexport function f() {}\nfunction g() {}"), []);
  assert.deepEqual(
    broken("src/session/a.ts", "/** F. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;"),
    [],
  );
  assert.deepEqual(broken("src/session/a.ts", 'export { a } from "./b.ts";'), []);
});

Deno.test("exported-docs asks for a map at the head of each folder", () => {
  assert.deepEqual(broken("src/session/mod.ts", 'export * from "./a.ts";'), ["exported-docs"]);
  assert.deepEqual(
    broken("src/session/mod.ts", '/**\n * A map.\n *\n * @module\n */\nexport * from "./a.ts";'),
    [],
  );
  assert.deepEqual(broken("src/console/wire/mod.ts", 'export * from "./a.ts";'), ["exported-docs"]);
});
