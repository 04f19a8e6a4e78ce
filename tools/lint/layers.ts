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
  usage: { pure: true, imports: ["kernel"] },
  protocol: { pure: true, imports: ["kernel"] },
  auth: { pure: true, imports: ["kernel", "protocol"], packages: ["@mongodb-js/saslprep"] },
  config: { pure: true, imports: ["kernel"], packages: ["yaml"] },
  import: { pure: true, imports: ["kernel", "config"] },
  topology: { pure: true, imports: ["config"] },
  arbiter: { pure: true, imports: ["kernel", "config", "topology"] },
  transport: { pure: false, imports: ["kernel"] },
  telemetry: { pure: true, imports: [] },
  backend: { pure: true, imports: ["kernel", "protocol", "auth", "config", "transport"] },
  pool: { pure: true, imports: ["kernel", "telemetry"] },
  routing: { pure: true, imports: ["kernel", "config", "topology"] },
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
      "backend",
      "routing",
      "options",
      "servers",
      "lease",
      "session",
    ],
  },
  listener: { pure: false, imports: ["protocol", "transport", "login"] },
  monitor: {
    pure: true,
    imports: ["kernel", "protocol", "auth", "config", "topology", "transport", "telemetry", "backend"],
  },
  verbs: {
    pure: true,
    imports: ["kernel", "protocol", "auth", "config", "topology", "transport", "telemetry", "backend"],
  },
  schema: { pure: true, imports: ["kernel", "config", "backend", "verbs"] },
  instances: { pure: true, imports: ["kernel", "config", "arbiter"] },
  coordination: { pure: false, imports: ["kernel", "config", "arbiter", "transport", "instances"] },
  moves: {
    pure: true,
    imports: ["kernel", "config", "topology", "telemetry", "backend", "monitor", "arbiter", "verbs"],
  },
  console: {
    pure: false,
    imports: [
      "kernel",
      "protocol",
      "config",
      "import",
      "topology",
      "transport",
      "telemetry",
      "backend",
      "routing",
      "options",
      "servers",
      "session",
      "login",
      "arbiter",
      "moves",
    ],
  },
  http: {
    pure: false,
    imports: ["kernel", "auth", "config", "topology", "telemetry", "login", "console"],
  },
};

/**
 * Folder of `src/` to the layers of the folders in it, in the same form and order as {@link LAYERS}. Those import each other's
 * `mod.ts` alone; the files directly in the outer folder see them all, and are seen by none. An inner folder imports of the rest of
 * `src/` what the outer one may.
 */
export const SUBLAYERS: Readonly<Record<string, Readonly<Record<string, Layer>>>> = {
  console: {
    answer: { pure: true, imports: [] },
    wire: { pure: true, imports: ["answer"] },
    parts: { pure: true, imports: [] },
    command: { pure: true, imports: ["answer", "parts"] },
    drivers: { pure: true, imports: ["answer", "command"] },
    pgbouncer: { pure: true, imports: ["answer", "parts", "command", "drivers"] },
    pgplex: { pure: true, imports: ["answer", "parts", "command", "pgbouncer"] },
    tree: { pure: true, imports: ["answer", "parts", "command", "drivers"] },
    client: { pure: true, imports: ["answer", "wire", "parts", "command", "drivers"] },
  },
};

/** Files directly in `src/` that see every folder. */
export const COMPOSITION_ROOTS: readonly string[] = ["src/process.ts", "src/stopping.ts", "src/worker.ts"];

/** Files of pure folders that may touch the system, each with its reason. */
export const IMPURE_FILES: Readonly<Record<string, string>> = {
  "src/console/answer/timestamp.ts": "Date writes a time that is handed in",
  "src/console/pgbouncer/show_mem.ts": "SHOW MEM asks the runtime how much memory it has",
  "src/config/yaml.ts": "hides process.env from the library, which looks for its debug switches there",
  "src/telemetry/logtape.ts": "binds the process's log to LogTape, which tells the time of each line",
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
  | {
    readonly kind: "layer";
    readonly name: string;
    readonly layer: Layer;
    /** The folder inside, where {@link SUBLAYERS} has a table for the outer one; null for files directly in that. */
    readonly sub: SubPlace | null;
    readonly test: boolean;
  };

/** A folder inside a folder of `src/` that {@link SUBLAYERS} has a table for; without a layer the table does not have it. */
export interface SubPlace {
  readonly name: string;
  readonly layer: Layer | undefined;
}

/** The {@link Place} of `path`, which is relative to the repository's root and uses slashes. */
export function placeOf(path: string): Place {
  const [top, folder, ...rest] = path.split("/");
  if (top !== "src") return { kind: "outside" };
  if (COMPOSITION_ROOTS.includes(path)) return { kind: "root" };
  if (folder === undefined || rest.length === 0) return { kind: "stray" };
  const layer = Object.hasOwn(LAYERS, folder) ? LAYERS[folder] : undefined;
  if (layer === undefined) return { kind: "stray" };
  return {
    kind: "layer",
    name: folder,
    layer,
    sub: subPlaceOf(folder, rest),
    test: path.endsWith("_test.ts"),
  };
}

function subPlaceOf(outer: string, rest: readonly string[]): SubPlace | null {
  const [name] = rest;
  const table = Object.hasOwn(SUBLAYERS, outer) ? SUBLAYERS[outer]! : undefined;
  if (table === undefined || name === undefined || rest.length < 2) return null;
  return { name, layer: Object.hasOwn(table, name) ? table[name] : undefined };
}

/** The folder whose rules hold at a place: `src/console/wire` or `src/pool`. */
export function folderOf({ name, sub }: Place & { kind: "layer" }): string {
  return sub === null ? `src/${name}` : `src/${name}/${sub.name}`;
}

/** Whether the file at `path` has to be pure. Tests beside the files do not have to. */
export function isPure(path: string): boolean {
  const place = placeOf(path);
  return place.kind === "layer" && isPureFolder(place) && !place.test && !Object.hasOwn(IMPURE_FILES, path);
}

function isPureFolder({ layer, sub }: Place & { kind: "layer" }): boolean {
  return layer.pure || sub?.layer?.pure === true;
}

/** Why the file at `path` may not import `specifier`, or null when it may. */
export function importProblem(path: string, specifier: string): string | null {
  const from = placeOf(path);
  if (from.kind === "outside" || from.kind === "root") return null;
  if (from.kind === "stray") {
    return `${path} belongs to no layer: move it into a folder of src/ that tools/lint/layers.ts lists`;
  }
  if (from.sub !== null && from.sub.layer === undefined) {
    return `${path} belongs to no layer: tools/lint/layers.ts lists no ${from.sub.name}/ in src/${from.name}/`;
  }
  if (specifier.startsWith(".")) return relativeProblem(from, resolvePath(path, specifier));
  if (from.test || !isPureFolder(from) || Object.hasOwn(IMPURE_FILES, path)) return null;
  if (specifier.startsWith("node:")) {
    if (PURE_NODE_MODULES.includes(specifier)) return null;
    return `${folderOf(from)}/ is pure and may import only ${
      PURE_NODE_MODULES.join(", ")
    }: received "${specifier}"`;
  }
  const packages = [...from.layer.packages ?? [], ...from.sub?.layer?.packages ?? []];
  if (packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return null;
  return `${
    folderOf(from)
  }/ is pure and may import only the packages that tools/lint/layers.ts lists for it (${
    packages.length === 0 ? "none" : packages.join(", ")
  }): received "${specifier}"`;
}

function relativeProblem(from: Place & { kind: "layer" }, target: string): string | null {
  const to = placeOf(target);
  switch (to.kind) {
    case "layer": {
      if (
        to.name === from.name || from.layer.imports.includes(to.name) ||
        (from.test && isBelow(LAYERS, to, from))
      ) {
        if (to.test) return from.test ? null : `Only tests import tests: received ${target}`;
        return from.name === to.name ? siblingProblem(from, to, target) : faceProblem(to, target);
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

/** Why a file may not import `target`, which is in the same folder of `src/`. */
function siblingProblem(
  from: Place & { kind: "layer" },
  to: Place & { kind: "layer" },
  target: string,
): string | null {
  if (from.sub?.layer === undefined) return faceProblem(to, target);
  const folder = folderOf(from);
  if (to.sub === null) return `${folder}/ may not import the files that put it to use: received ${target}`;
  if (to.sub.name === from.sub.name) {
    return target === `${folder}/mod.ts` ? `${folder}/ imports its own files, not its mod.ts` : null;
  }
  const { imports } = from.sub.layer;
  if (imports.includes(to.sub.name) || (from.test && isBelow(SUBLAYERS[from.name]!, to.sub, from.sub))) {
    return faceProblem(to, target);
  }
  const allowed = imports.map((name) => `${name}/`).join(", ");
  return `${folder}/ may import ${allowed || "no other folder"} of src/${from.name}/: received ${
    folderOf(to)
  }/`;
}

/** A listed inner folder is imported through its `mod.ts`, from outside of the outer folder through the outer one's. */
function faceProblem(to: Place & { kind: "layer" }, target: string): string | null {
  if (to.sub?.layer === undefined || target === `${folderOf(to)}/mod.ts`) return null;
  return `${folderOf(to)}/ is imported through its mod.ts: received ${target}`;
}

/** Whether `lower` stands above `upper` in a table of layers: what a test may import besides. */
function isBelow(
  table: Readonly<Record<string, Layer>>,
  lower: { readonly name: string },
  upper: { readonly name: string },
): boolean {
  const names = Object.keys(table);
  const at = names.indexOf(lower.name);
  return at >= 0 && at < names.indexOf(upper.name);
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
