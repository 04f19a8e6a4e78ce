import { parse, stringify } from "yaml";
import { accepts, Daemon } from "./daemon.ts";
import { LOOPBACK, type Place } from "./place.ts";
import { freePort, tempDir } from "./wait.ts";

/** What to start, and how. */
export interface StartPgplexOptions {
  /**
   * The configuration: YAML text, used as it is, which then names `listen.port`; or an object, to which a free
   * `listen.port` is added unless it has one.
   */
  config: string | Record<string, unknown>;
  /** More arguments for the command line. */
  args?: string[];
  env?: Record<string, string>;
  /** Where it runs, and listens unless `listen.address` says otherwise; 127.0.0.1 unless said. */
  place?: Place;
  /** How long the start may take; 20 seconds unless said. */
  deadlineMs?: number;
}

/**
 * The flags that pgplex runs with from source; tasks `start` and `compile` of deno.json have the same.
 *
 * V8's young generation is kept to 2 MB: it would grow to 16 MB and more while many log in, and the collector that gives it
 * back comes only some twenty seconds later. What a transaction leaves is little, so that collecting it often costs nothing.
 * And it is collected without helping threads: where all cores are busy, waiting for them is what takes the time.
 */
export function runFlags(): string[] {
  return [
    "--no-prompt",
    "--v8-flags=--max-semi-space-size=2,--no-parallel-scavenge",
    "--allow-net",
    "--allow-read",
    "--allow-env",
    "--allow-write",
    "--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6,/lib/aarch64-linux-gnu/libc.so.6,/lib64/libc.so.6,/usr/lib/libc.so.6",
  ];
}

/** The command that runs the pgplex under test: `$PGPLEX_BIN`, or this very executable, or this checkout's main.ts. */
export function pgplexCommand(): [command: string, ...args: string[]] {
  const binary = Deno.env.get("PGPLEX_BIN");
  if (binary) return [binary];
  if (Deno.build.standalone) return [Deno.execPath()];
  const root = `${import.meta.dirname}/../..`;
  return [Deno.execPath(), "run", ...runFlags(), "--config", `${root}/deno.json`, `${root}/main.ts`];
}

/** A pgplex under test, as a process of its own. Made by {@link startPgplex}. */
export class PgplexProcess implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The file that SIGHUP makes it read again. */
  readonly configPath: string;
  readonly #daemon: Daemon;

  /** @internal Use {@link startPgplex}. */
  constructor(daemon: Daemon, place: { host: string; port: number; configPath: string }) {
    this.#daemon = daemon;
    this.host = place.host;
    this.port = place.port;
    this.configPath = place.configPath;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  get running(): boolean {
    return this.#daemon.running;
  }

  /** Fulfilled when the process ended. */
  get exited(): Promise<Deno.CommandStatus> {
    return this.#daemon.exited;
  }

  /** All that it wrote to stdout and stderr so far. */
  get log(): string {
    return this.#daemon.log;
  }

  /** A connection string; user and database may hold any character, see {@link databaseInUri} about `app@main`. */
  url(who: { user: string; password?: string; database: string }): string {
    const password = who.password === undefined ? "" : `:${encodeURIComponent(who.password)}`;
    const user = encodeURIComponent(who.user);
    return `postgresql://${user}${password}@${this.host}:${this.port}/${databaseInUri(who.database)}`;
  }

  /** Writes `config`, if given, to its file, and sends SIGHUP. Wait for the effect, or for a line of {@link log}. */
  async reload(config?: string | Record<string, unknown>): Promise<void> {
    if (config !== undefined) {
      await Deno.writeTextFile(this.configPath, yamlOf(config, this.port, this.host).text);
    }
    this.#daemon.signal("SIGHUP");
  }

  signal(signal: Deno.Signal): void {
    this.#daemon.signal(signal);
  }

  /** Stops it, by SIGTERM unless said, and returns the exit code. */
  async stop(signal: Deno.Signal = "SIGTERM", deadlineMs = 15_000): Promise<number> {
    return await this.#daemon.stop(signal, deadlineMs);
  }

  /** Kills it, if it still runs, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
  }
}

/**
 * A database's name for a connection string. The `@` stays as it is: psql takes `app@main` and `app%40main` alike, but
 * npm:pg and npm:postgres send the latter to the server undecoded.
 */
export function databaseInUri(database: string): string {
  return encodeURIComponent(database).replaceAll("%40", "@");
}

/** Starts pgplex with `config` and waits until it accepts connections. @throws {Error} with its log when it does not. */
export async function startPgplex(options: StartPgplexOptions): Promise<PgplexProcess> {
  const dir = (await tempDir("pgplex-run-")).path;
  const { place } = options;
  const host = place?.host ?? LOOPBACK;
  const { text, port } = yamlOf(options.config, null, host);
  const configPath = `${dir}/pgplex.yaml`;
  await Deno.writeTextFile(configPath, text);
  const [command, ...args] = pgplexCommand();
  const daemon = await Daemon.start({
    what: "pgplex",
    command,
    args: [...args, "--config", configPath, ...options.args ?? []],
    env: { NO_COLOR: "1", ...options.env },
    dir,
    ...(place && { place }),
    ready: () => accepts(port, host),
    ...(options.deadlineMs && { deadlineMs: options.deadlineMs }),
  });
  return new PgplexProcess(daemon, { host, port, configPath });
}

function yamlOf(
  config: string | Record<string, unknown>,
  portNow: number | null,
  host: string,
): { text: string; port: number } {
  if (typeof config === "string") {
    const port = parse(config)?.listen?.port ?? portNow;
    if (typeof port === "number") return { text: config, port };
    throw new Error(
      "Cannot start pgplex from YAML text as it must name listen.port: take one from freePort()",
    );
  }
  const listen = {
    address: host,
    port: portNow ?? freePort(),
    ...config["listen"] as object | undefined,
  };
  return { text: stringify({ ...config, listen }), port: listen.port };
}
