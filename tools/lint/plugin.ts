/**
 * A Deno lint plugin for the rules of pgplex that no general linter knows: layers, purity, module state, docs.
 *
 * The table that it enforces is in `layers.ts`. It looks at one file at a time and only at syntax: a name counts as
 * the global one unless the same file declares it.
 *
 * @module
 */
import { folderOf, importProblem, IMPURE_GLOBALS, IMPURE_MEMBERS, isPure, placeOf } from "./layers.ts";

type Node = Deno.lint.Node;
type Context = Deno.lint.RuleContext;

const ROOT = new URL("../../", import.meta.url);
const MUTABLE_CLASSES: ReadonlySet<string> = new Set(["Array", "Map", "Set", "WeakMap", "WeakSet"]);
const READONLY_TYPES: ReadonlySet<string> = new Set([
  "Readonly",
  "ReadonlyArray",
  "ReadonlyMap",
  "ReadonlySet",
]);

/** The rules of pgplex; `deno.json` names this file under `lint.plugins`. */
const plugin: Deno.lint.Plugin = {
  name: "pgplex",
  rules: {
    "layers": { create: layers },
    "pure": { create: pure },
    "no-console": { create: noConsole },
    "no-module-state": { create: noModuleState },
    "exported-docs": { create: exportedDocs },
  },
};
export default plugin;

/** `filename`, as the linter gives it, relative to the repository's root and with slashes. */
export function repositoryPath(filename: string): string {
  const url = filename.startsWith("file:")
    ? new URL(filename)
    : new URL(filename.replaceAll("\\", "/"), ROOT);
  const path = url.href.startsWith(ROOT.href) ? url.href.slice(ROOT.href.length) : url.pathname;
  return decodeURIComponent(path);
}

/** Imports point down the layers, also those of types, those written `import(…)` and those of `export … from`. */
function layers(ctx: Context): Deno.lint.LintVisitor {
  const path = repositoryPath(ctx.filename);
  if (placeOf(path).kind === "outside") return {};
  const check = (node: Node, source: Node | null | undefined) => {
    if (source?.type !== "Literal" || typeof source.value !== "string") return;
    const problem = importProblem(path, source.value);
    if (problem !== null) ctx.report({ node, message: problem, hint: "The table is tools/lint/layers.ts" });
  };
  return {
    ImportDeclaration: (node) => check(node, node.source),
    ExportNamedDeclaration: (node) => check(node, node.source),
    ExportAllDeclaration: (node) => check(node, node.source),
    ImportExpression: (node) => check(node, node.source),
    TSImportType: (node) => {
      const argument = node.argument;
      check(node, argument.type === "TSLiteralType" ? argument.literal as Node : argument as Node);
    },
  };
}

/** Pure folders mention no source of time, randomness or I/O. */
function pure(ctx: Context): Deno.lint.LintVisitor {
  const path = repositoryPath(ctx.filename);
  if (!isPure(path)) return {};
  const place = placeOf(path);
  const folder = place.kind === "layer" ? folderOf(place) : "";
  return {
    ...freeNames((node) => {
      const instead = IMPURE_GLOBALS.get(node.name);
      if (instead === undefined) return;
      ctx.report({ node, message: `${folder}/ is pure and may not mention ${node.name}`, hint: instead });
    }),
    MemberExpression(node) {
      const name = memberName(node);
      const ofMath = node.object.type === "Identifier" && node.object.name === "Math";
      if (name === null || !(ofMath ? name === "random" : IMPURE_MEMBERS.includes(name))) return;
      ctx.report({
        node,
        message: `${folder}/ is pure and may not call ${ofMath ? "Math.random" : name}`,
        hint: "use Random of kernel/",
      });
    },
    ImportSpecifier(node) {
      const name = node.imported.type === "Identifier" ? node.imported.name : String(node.imported.value);
      const source = node.parent.type === "ImportDeclaration" ? node.parent.source.value : null;
      if (!IMPURE_MEMBERS.includes(name) || typeof source !== "string" || !source.startsWith("node:")) return;
      ctx.report({
        node,
        message: `${folder}/ is pure and may not import ${name}`,
        hint: "use Random of kernel/",
      });
    },
  };
}

/** Everything in `src/` says what it has to say through telemetry. Pure folders have this rule already. */
function noConsole(ctx: Context): Deno.lint.LintVisitor {
  const path = repositoryPath(ctx.filename);
  if (placeOf(path).kind === "outside" || path.endsWith("_test.ts") || isPure(path)) return {};
  return freeNames((node) => {
    if (node.name !== "console") return;
    ctx.report({ node, message: "Only main.ts writes to the console", hint: "log through telemetry/" });
  });
}

/** What a worker needs is handed to it: modules keep nothing, so that several workers can share a process. */
function noModuleState(ctx: Context): Deno.lint.LintVisitor {
  const path = repositoryPath(ctx.filename);
  if (placeOf(path).kind === "outside" || path.endsWith("_test.ts")) return {};
  return {
    VariableDeclaration(node) {
      const parent = node.parent;
      if (parent.type !== "Program" && parent.type !== "ExportNamedDeclaration") return;
      if (node.declare) return;
      if (node.kind !== "const") {
        const message = `A module may not have variables: received a module-level "${node.kind}"`;
        ctx.report({ node, message, hint: "put it into an object that worker.ts makes and hands on" });
        return;
      }
      for (const { id, init } of node.declarations) {
        const typed = id.type === "Identifier" ? id.typeAnnotation?.typeAnnotation : undefined;
        const what = init === null ? null : mutableContainer(init, typed);
        if (what === null) continue;
        ctx.report({
          node: id,
          message: `A module may not keep a container that can change: received ${what}`,
          hint:
            "declare a table as ReadonlyMap, ReadonlySet or readonly array; hand anything else to who needs it",
        });
      }
    },
    PropertyDefinition(node) {
      if (!node.static || node.declare) return;
      const what = node.value === null
        ? null
        : mutableContainer(node.value, node.typeAnnotation?.typeAnnotation);
      if (node.readonly && what === null) return;
      const message = `A class may not keep state of its own: received ${
        what ?? "a static field without readonly"
      }`;
      ctx.report({ node: node.key, message, hint: "a static field is module state by another name" });
    },
  };
}

/** Exported symbols of `src/` have a doc comment, and each folder's `mod.ts` opens with an `@module` comment. */
function exportedDocs(ctx: Context): Deno.lint.LintVisitor {
  const path = repositoryPath(ctx.filename);
  if (placeOf(path).kind === "outside" || path.endsWith("_test.ts")) return {};
  const isDoc = (comment: Deno.lint.LineComment | Deno.lint.BlockComment) =>
    comment.type === "Block" && comment.value.startsWith("*");
  const overloaded = new Set<string>();
  const check = (node: Deno.lint.ExportNamedDeclaration | Deno.lint.ExportDefaultDeclaration) => {
    const declaration = node.declaration as Node | null;
    if (declaration === null) return;
    const name = declaredName(declaration);
    const documented = ctx.sourceCode.getCommentsBefore(node).some(isDoc);
    if (documented) overloaded.add(name);
    if (documented || overloaded.has(name)) return;
    const message = `An exported symbol has a doc comment: received none for ${name}`;
    ctx.report({ node, message, hint: "say shapes, units, errors and source" });
  };
  return {
    ExportNamedDeclaration: check,
    ExportDefaultDeclaration: check,
    Program(node) {
      const place = placeOf(path);
      if (place.kind !== "layer" || path !== `${folderOf(place)}/mod.ts`) return;
      const map = ctx.sourceCode.getAllComments().find(isDoc);
      if (map !== undefined && map.value.includes("@module")) return;
      const message = `A folder opens with a map: received no @module comment at the head of ${path}`;
      ctx.report({ node, message, hint: "say what it does, what it never does, and who calls it" });
    },
  };
}

/** Calls `visit` for each name in a file that the file itself declares nowhere: its globals. */
function freeNames(visit: (node: Deno.lint.Identifier) => void): Deno.lint.LintVisitor {
  // By place: in `{ a }` the key and the value are two nodes for one name.
  const used = new Map<number, Deno.lint.Identifier>();
  const declared = new Set<string>();
  return {
    Identifier(node) {
      const use = useOf(node);
      if (use === "declares") declared.add(node.name);
      else if (use === "mentions") used.set(node.range[0], node);
    },
    "Program:exit"() {
      for (const node of used.values()) if (!declared.has(node.name)) visit(node);
    },
  };
}

/** Whether an identifier declares its name, mentions it, or is only a label such as a property's key. */
function useOf(node: Deno.lint.Identifier): "declares" | "mentions" | "labels" {
  const parent = node.parent;
  switch (parent.type) {
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
      return parent.local === node || parent.local.range[0] === node.range[0] ? "declares" : "labels";
    case "VariableDeclarator":
      return same(parent.id, node) ? "declares" : "mentions";
    case "FunctionDeclaration":
    case "TSDeclareFunction":
    case "TSEmptyBodyFunctionExpression":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      return "body" in parent && same(parent.body, node) ? "mentions" : "declares";
    case "ClassDeclaration":
    case "ClassExpression":
      return same(parent.id, node) ? "declares" : "mentions";
    case "TSTypeAliasDeclaration":
    case "TSInterfaceDeclaration":
    case "TSEnumDeclaration":
      return same(parent.id, node) ? "declares" : "mentions";
    case "TSTypeParameter":
      return same(parent.name, node) ? "declares" : "mentions";
    case "CatchClause":
      return "declares";
    case "RestElement":
    case "ArrayPattern":
      return "declares";
    case "AssignmentPattern":
      return same(parent.left, node) ? "declares" : "mentions";
    case "Property":
      if (parent.parent.type === "ObjectPattern") return same(parent.value, node) ? "declares" : "labels";
      return same(parent.key, node) && !parent.computed && !parent.shorthand ? "labels" : "mentions";
    case "MemberExpression":
      return same(parent.property, node) && !parent.computed ? "labels" : "mentions";
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
      return same(parent.key, node) && !parent.computed ? "labels" : "mentions";
    case "TSQualifiedName":
      return same(parent.right, node) ? "labels" : "mentions";
    case "ExportSpecifier":
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "TSNamedTupleMember":
    case "TSMethodSignature":
    case "TSFunctionType":
    case "TSCallSignatureDeclaration":
    case "TSConstructSignatureDeclaration":
    case "TSIndexSignature":
    case "TSEnumMember":
    case "MetaProperty":
      return "labels";
    default:
      return "mentions";
  }
}

/** A node of the linter is not always the same object twice, so its place in the file identifies it. */
function same(a: Node | null | undefined, b: Node): boolean {
  return a !== null && a !== undefined && a.type === b.type && a.range[0] === b.range[0] &&
    a.range[1] === b.range[1];
}

/** The name after the dot or in literal brackets, or null. */
function memberName(node: Deno.lint.MemberExpression): string | null {
  const property = node.property as Node;
  if (!node.computed && property.type === "Identifier") return property.name;
  return property.type === "Literal" && typeof property.value === "string" ? property.value : null;
}

/** What kind of container that can change `init` makes, for the message, or null when it makes none. */
function mutableContainer(init: Node, typed: Node | undefined): string | null {
  if (typed?.type === "TSTypeOperator" && typed.operator === "readonly") return null;
  if (typed?.type === "TSTypeReference" && typed.typeName.type === "Identifier") {
    if (READONLY_TYPES.has(typed.typeName.name)) return null;
  }
  if (init.type === "TSSatisfiesExpression") return mutableContainer(init.expression, typed);
  if (init.type === "TSAsExpression") {
    return mutableContainer(init.expression, init.typeAnnotation as Node);
  }
  if (init.type === "NewExpression" && init.callee.type === "Identifier") {
    return MUTABLE_CLASSES.has(init.callee.name) ? `new ${init.callee.name}` : null;
  }
  if (init.type === "ArrayExpression" && init.elements.length === 0) return "an empty array";
  if (init.type === "ObjectExpression" && init.properties.length === 0) return "an empty object";
  return null;
}

/** The name that an exported declaration gives, for messages. */
function declaredName(node: Node): string {
  if (node.type === "VariableDeclaration") {
    const id = node.declarations[0]?.id;
    return id?.type === "Identifier" ? id.name : "a pattern";
  }
  const id = "id" in node ? node.id as Node | null : null;
  return id?.type === "Identifier" ? id.name : "the default export";
}
