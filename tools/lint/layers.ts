/**
 * The layer rules of pgplex as one table: what each folder of `src/` may import, and which folders are pure.
 *
 * The lint plugin beside this file enforces it. To let a folder import another one, change its row here and say why
 * in `docs/ARCHITECTURE.md`.
 *
 * @module
 */

/** One folder of `src/`. */
export interface Layer {
  /** Other folders of `src/` that this one may import. */
  readonly imports: readonly string[];
  /** No sockets, files, timers, clocks, randomness or output: those are handed in as parameters. */
  readonly pure: boolean;
  /** npm packages that a pure folder may import; a folder that is not pure may import any. */
  readonly packages?: readonly string[];
}

/** Folder name to its rules. Each folder imports only what stands above it in this table. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  kernel: { pure: true, imports: [] },
  protocol: { pure: true, imports: ["kernel"] },
  auth: { pure: true, imports: ["kernel", "protocol"], packages: ["@mongodb-js/saslprep"] },
  config: { pure: true, imports: ["kernel", "protocol", "auth"], packages: ["yaml"] },
  topology: { pure: true, imports: ["kernel", "config"] },
  transport: { pure: false, imports: ["kernel"] },
  telemetry: { pure: false, imports: ["kernel"] },
  backend: {
    pure: false,
    imports: ["kernel", "protocol", "auth", "config", "topology", "transport", "telemetry"],
  },
  pool: { pure: true, imports: ["kernel", "telemetry"] },
  routing: { pure: true, imports: ["kernel", "protocol", "config", "topology"] },
  options: { pure: true, imports: ["kernel", "protocol", "config", "backend"] },
  learning: { pure: true, imports: ["kernel", "protocol", "config", "telemetry", "backend"] },
  servers: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "auth",
      "config",
      "topology",
      "telemetry",
      "backend",
      "pool",
      "routing",
      "learning",
    ],
  },
  relay: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "config",
      "transport",
      "telemetry",
      "backend",
      "options",
      "learning",
    ],
  },
  listen: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "config",
      "topology",
      "transport",
      "telemetry",
      "backend",
      "learning",
      "servers",
      "relay",
    ],
  },
  lease: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "config",
      "telemetry",
      "backend",
      "pool",
      "options",
      "learning",
      "servers",
      "relay",
      "listen",
    ],
  },
  session: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "config",
      "transport",
      "telemetry",
      "backend",
      "pool",
      "options",
      "learning",
      "servers",
      "relay",
      "listen",
      "lease",
    ],
  },
  login: {
    pure: true,
    imports: [
      "kernel",
      "protocol",
      "auth",
      "config",
      "topology",
      "transport",
      "telemetry",
      "backend",
      "pool",
      "routing",
      "options",
      "servers",
      "listen",
      "session",
    ],
  },
  listener: { pure: false, imports: ["kernel", "protocol", "config", "transport", "telemetry", "login"] },
  monitor: { pure: false, imports: ["kernel", "protocol", "config", "topology", "telemetry", "backend"] },
  ha: { pure: false, imports: ["kernel", "config", "topology", "telemetry", "monitor"] },
  console: {
    pure: false,
    imports: [
      "kernel",
      "protocol",
      "config",
      "topology",
      "transport",
      "telemetry",
      "backend",
      "pool",
      "routing",
      "options",
      "learning",
      "servers",
      "relay",
      "listen",
      "lease",
      "session",
      "login",
    ],
  },
};

/** Files directly in `src/` that see every folder. */
export const COMPOSITION_ROOTS: readonly string[] = ["src/process.ts", "src/worker.ts"];

/** Files of pure folders that may touch the system, each with its reason. */
export const IMPURE_FILES: Readonly<Record<string, string>> = {
  "src/config/yaml.ts": "hides process.env from the library, which looks for its debug switches there",
};

/** Node modules that pure folders may import: they compute, and keep nothing. */
export const PURE_NODE_MODULES: readonly string[] = ["node:assert", "node:buffer", "node:crypto"];

/** Members of pure Node modules that are sources of randomness or time all the same. */
export const IMPURE_MEMBERS: readonly string[] = [
  "getRandomValues",
  "randomBytes",
  "randomFill",
  "randomFillSync",
  "randomInt",
  "randomUUID",
  "webcrypto",
];

/** Globals that pure folders do not mention, each with what to use in its place. */
export const IMPURE_GLOBALS: ReadonlyMap<string, string> = new Map([
  ["Deno", "take what it gives as a parameter"],
  ["process", "take what it gives as a parameter"],
  ["globalThis", "name what you need"],
  ["self", "name what you need"],
  ["setTimeout", "use Clock.after of kernel/"],
  ["setInterval", "use Clock.after of kernel/"],
  ["setImmediate", "use Clock.after of kernel/"],
  ["queueMicrotask", "return an action and let the driver run it"],
  ["performance", "use Clock.nowMs of kernel/"],
  ["Date", "use Clock.wallMs of kernel/"],
  ["Temporal", "use Clock.wallMs of kernel/"],
  ["crypto", "use Random of kernel/ for random bytes, node:crypto for digests"],
  ["console", "return what happened and let the driver log it"],
  ["fetch", "return an action and let the driver run it"],
  ["WebSocket", "return an action and let the driver run it"],
  ["Worker", "return an action and let the driver run it"],
]);

/** Where a file of the repository stands; `outside` is everything beside `src/`. */
export type Place =
  | { readonly kind: "outside" }
  | { readonly kind: "root" }
  | { readonly kind: "stray" }
  | { readonly kind: "layer"; readonly name: string; readonly layer: Layer; readonly test: boolean };

/** The {@link Place} of `path`, which is relative to the repository's root and uses slashes. */
export function placeOf(path: string): Place {
  const [top, folder, ...rest] = path.split("/");
  if (top !== "src") return { kind: "outside" };
  if (COMPOSITION_ROOTS.includes(path)) return { kind: "root" };
  if (folder === undefined || rest.length === 0) return { kind: "stray" };
  const layer = Object.hasOwn(LAYERS, folder) ? LAYERS[folder] : undefined;
  if (layer === undefined) return { kind: "stray" };
  return { kind: "layer", name: folder, layer, test: path.endsWith("_test.ts") };
}

/** Whether the file at `path` has to be pure. Tests beside the files do not have to. */
export function isPure(path: string): boolean {
  const place = placeOf(path);
  return place.kind === "layer" && place.layer.pure && !place.test && !Object.hasOwn(IMPURE_FILES, path);
}

/** Why the file at `path` may not import `specifier`, or null when it may. */
export function importProblem(path: string, specifier: string): string | null {
  const from = placeOf(path);
  if (from.kind === "outside" || from.kind === "root") return null;
  if (from.kind === "stray") {
    return `${path} belongs to no layer: move it into a folder of src/ that tools/lint/layers.ts lists`;
  }
  if (specifier.startsWith(".")) return relativeProblem(from, resolvePath(path, specifier));
  if (from.test || !from.layer.pure || Object.hasOwn(IMPURE_FILES, path)) return null;
  if (specifier.startsWith("node:")) {
    if (PURE_NODE_MODULES.includes(specifier)) return null;
    return `src/${from.name}/ is pure and may import only ${
      PURE_NODE_MODULES.join(", ")
    }: received "${specifier}"`;
  }
  const packages = from.layer.packages ?? [];
  if (packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return null;
  return `src/${from.name}/ is pure and may import only the packages that tools/lint/layers.ts lists for it (${
    packages.length === 0 ? "none" : packages.join(", ")
  }): received "${specifier}"`;
}

function relativeProblem(from: Place & { kind: "layer" }, target: string): string | null {
  const to = placeOf(target);
  switch (to.kind) {
    case "layer": {
      if (to.name === from.name || from.layer.imports.includes(to.name) || (from.test && isBelow(to, from))) {
        return to.test && !from.test ? `Only tests import tests: received ${target}` : null;
      }
      const allowed = from.layer.imports.map((name) => `${name}/`).join(", ");
      return `src/${from.name}/ may import ${allowed || "no other folder"}: received src/${to.name}/`;
    }
    case "outside":
      return from.test ? null : `src/${from.name}/ may not import from outside src/: received ${target}`;
    case "root":
      return `Only main.ts and tests/ import the composition root: received ${target}`;
    case "stray":
      return `${target} belongs to no layer of tools/lint/layers.ts`;
  }
}

/** Whether `lower` stands above `upper` in {@link LAYERS}: what a test may import besides. */
function isBelow(lower: { readonly name: string }, upper: { readonly name: string }): boolean {
  const names = Object.keys(LAYERS);
  return names.indexOf(lower.name) < names.indexOf(upper.name);
}

/** `specifier` against the folder of `path`, both with slashes; the result has no `.` or `..` but leading ones. */
export function resolvePath(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "." || part === "") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}
