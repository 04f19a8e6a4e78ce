import pg from "pg";
import { type EnsureOptions, ensurePostgres, type PostgresBinaries, type PostgresMajor } from "./download.ts";
import { databaseInUri } from "./pgplex.ts";
import { commandIn, LOOPBACK, type Place } from "./place.ts";
import { childrenOf, isAlive, signalTo } from "./processes.ts";
import { giveTo, run, runAs } from "./user.ts";
import { freePort, GiveUp, removeAll, tempDir, waitFor } from "./wait.ts";
import { Watchdog } from "./watchdog.ts";

/** How a server asks clients to authenticate, over TCP and over its socket alike. */
export type PostgresAuth = "scram-sha-256" | "md5" | "password" | "trust";

/** What to start. */
export interface StartPostgresOptions extends EnsureOptions {
  major: PostgresMajor;
  /** A free one unless said. */
  port?: number;
  /** Where it runs and listens; 127.0.0.1 unless said. */
  place?: Place;
  /** Lines of postgresql.conf; they win over the harness's own, which are made for speed: fsync=off and so on. */
  settings?: Record<string, string>;
  /** An own data directory: made from the template when empty or missing, used as it is otherwise, and left at the end. */
  dataDir?: string;
  /** A stopped server's data directory, of which this one's is made a copy. */
  copyOf?: string;
  /** Whether it is started at once; it is unless said. */
  starts?: boolean;
  /** `scram-sha-256` unless said. */
  auth?: PostgresAuth;
  /** Whole lines of pg_hba.conf that come before the one that `auth` makes. */
  hba?: string[];
  /** The password of superuser `postgres`; `postgres` unless said. */
  superuserPassword?: string;
  /** PEM files; switches TLS on. `caFile` is the authority for client certificates (hba method `cert`). */
  tls?: { certFile: string; keyFile: string; caFile?: string };
  /** How long the start may take; 30 seconds unless said. */
  deadlineMs?: number;
  /** Another installation's programs of the same major, in place of the downloaded ones, which are few. */
  binDir?: string;
}

/** Rows of {@link PostgresNode.sql}: column name to value. */
// deno-lint-ignore no-explicit-any
export type Row = Record<string, any>;

const STOP_SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** A PostgreSQL server under test. Made by {@link startPostgres}; `await using` stops it and removes all of it. */
export class PostgresNode implements AsyncDisposable {
  readonly major: PostgresMajor;
  readonly host: string;
  readonly port: number;
  /** The folder of its Unix socket, for `host=` in a connection string. */
  readonly socketDir: string;
  readonly dataDir: string;
  readonly superuser = "postgres";
  readonly superuserPassword: string;
  readonly #binaries: PostgresBinaries;
  readonly #options: StartPostgresOptions;
  readonly #baseDir: string;
  readonly #watchdog: Watchdog;
  #settings: Record<string, string>;
  #child: Deno.ChildProcess | null = null;
  /** A postmaster that something else has started in the data directory. */
  #adopted: number | null = null;

  /** @internal Use {@link startPostgres}. */
  constructor(
    binaries: PostgresBinaries,
    options: StartPostgresOptions,
    place: { baseDir: string; port: number },
  ) {
    this.major = binaries.major;
    this.host = options.place?.host ?? LOOPBACK;
    this.port = place.port;
    this.socketDir = `${place.baseDir}/s`;
    this.dataDir = options.dataDir ?? `${place.baseDir}/data`;
    this.superuserPassword = options.superuserPassword ?? "postgres";
    this.#settings = { ...options.settings };
    this.#binaries = binaries;
    this.#options = options;
    this.#baseDir = place.baseDir;
    this.#watchdog = new Watchdog({ signal: "QUIT", removeDir: place.baseDir });
  }

  /** The postmaster's process id, or null while it does not run. */
  get pid(): number | null {
    return this.#child?.pid ?? this.#adopted;
  }

  /** Where its programs are. */
  get binDir(): string {
    return this.#options.binDir ?? this.#binaries.binDir;
  }

  /**
   * Takes the server for its own that something else has started in its data directory, as `pg_ctl restart` does.
   *
   * @returns whether one runs there
   */
  async adopt(): Promise<boolean> {
    const text = await Deno.readTextFile(`${this.dataDir}/postmaster.pid`).catch(() => "");
    const pid = Number(text.split("\n")[0]);
    if (pid > 1 && pid === this.pid) return true;
    if (!(pid > 1) || !await isRunning(pid, "postgres")) return false;
    const child = this.#child;
    if (child !== null) {
      if (await isRunning(child.pid)) return false;
      child.ref();
      await child.status;
      this.#child = null;
    }
    this.#adopted = pid;
    await this.#watchdog.watch(pid);
    return true;
  }

  /** A connection string for the superuser. */
  url(database = "postgres"): string {
    const [user, password] = [this.superuser, this.superuserPassword].map(encodeURIComponent);
    return `postgresql://${user}:${password}@${this.host}:${this.port}/${databaseInUri(database)}`;
  }

  /** Runs `text` as the superuser on a connection of its own; of several statements, returns the last one's rows. */
  async sql(text: string, database = "postgres"): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url(database), connectionTimeoutMillis: 10_000 });
    // Without a listener, a server that dies under a query would end the whole program; the query fails by itself.
    client.on("error", () => {});
    await client.connect();
    try {
      const result = await client.query(text);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  }

  /** Starts the server, once stopped or killed, and waits until it accepts connections. */
  async start(): Promise<void> {
    if (this.#adopted !== null && !await isRunning(this.#adopted)) this.#adopted = null;
    if (this.pid !== null) {
      throw new Error(`Cannot start PostgreSQL on port ${this.port} as it runs already`);
    }
    const deadlineMs = this.#options.deadlineMs ?? 30_000;
    await waitFor(async () => {
      const logged = (await this.log()).length;
      if (await this.#spawn(deadlineMs)) return true;
      const said = (await this.log()).slice(logged);
      // The children of a killed postmaster need a moment to notice.
      if (/pre-existing shared memory block|lock file ".*" already exists/.test(said)) return false;
      throw new GiveUp(new StartFailure(this.port, said));
    }, { what: `PostgreSQL ${this.major} to start on port ${this.port}`, deadlineMs, everyMs: 50 });
  }

  /** Stops the server as `pg_ctl stop -m MODE` does, and waits for its end. */
  async stop(mode: "smart" | "fast" | "immediate" = "fast"): Promise<void> {
    await this.#end(STOP_SIGNALS[mode]);
  }

  /**
   * Sends `signal`. SIGKILL, SIGSTOP and SIGCONT go to all processes of the server, as if the machine failed, hung or came
   * back; the others go to the postmaster alone. After SIGKILL and SIGQUIT it returns once the server is gone.
   */
  async kill(signal: Deno.Signal): Promise<void> {
    const pid = this.pid;
    if (pid === null) return;
    if (signal === "SIGQUIT") return await this.#end(signal);
    if (!["SIGKILL", "SIGSTOP", "SIGCONT"].includes(signal)) return signalTo(pid, signal);
    // A stopped postmaster starts no more children, and does not notice that some die.
    if (signal !== "SIGCONT") signalTo(pid, "SIGSTOP");
    for (const child of await childrenOf(pid)) signalTo(child, signal);
    if (signal === "SIGKILL") await this.#end(signal);
    else signalTo(pid, signal);
  }

  /** A fast stop, if it runs, and a start. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Makes the server read its configuration again, after adding `settings` to it. */
  async reload(settings: Record<string, string> = {}): Promise<void> {
    Object.assign(this.#settings, settings);
    await this.#configure();
    const reloads = async () => (await this.log()).split("received SIGHUP").length;
    const before = await reloads();
    await this.kill("SIGHUP");
    await waitFor(async () => await reloads() > before, {
      what: `PostgreSQL on port ${this.port} to reload`,
    });
  }

  /** Makes it, while it is stopped, a standby that receives what `conninfo` leads to. */
  async makeStandby(conninfo: string): Promise<void> {
    const auto = `${this.dataDir}/postgresql.auto.conf`;
    const kept = (await Deno.readTextFile(auto)).split("\n").filter((line) =>
      !/^primary_conninfo/.test(line)
    );
    await this.#write("postgresql.auto.conf", kept.join("\n"));
    this.#settings["primary_conninfo"] = conninfo;
    await this.#configure();
    await this.#write("standby.signal", "");
  }

  /** All that the server logged so far. */
  async log(): Promise<string> {
    return await Deno.readTextFile(`${this.#baseDir}/log`).catch(() => "");
  }

  /** Ends the server at once and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.adopt();
      await this.kill("SIGCONT");
      await this.#end("SIGQUIT");
      await this.#removeSharedMemory();
      await removeAll(this.#baseDir);
    } finally {
      await this.#watchdog[Symbol.asyncDispose]();
    }
  }

  /** @internal Makes the data directory ready, from the template unless there is one. */
  async prepare(): Promise<void> {
    const { user, templateDir } = this.#binaries;
    await Deno.mkdir(this.socketDir);
    await Deno.writeTextFile(`${this.#baseDir}/log`, "");
    const fresh = !await exists(`${this.dataDir}/PG_VERSION`);
    if (fresh) {
      await Deno.mkdir(this.dataDir, { recursive: true });
      await run("cp", { args: ["-a", `${this.#options.copyOf ?? templateDir}/.`, this.dataDir] });
    }
    await this.#configure();
    await giveTo(user, this.#baseDir);
    await giveTo(user, this.dataDir);
    if (fresh && this.#options.copyOf === undefined) await this.#setPassword();
  }

  async #configure(): Promise<void> {
    const { auth = "scram-sha-256", hba = [], tls } = this.#options;
    const settings: Record<string, string> = {
      port: String(this.port),
      listen_addresses: this.host,
      unix_socket_directories: this.socketDir,
      password_encryption: auth === "md5" ? "md5" : "scram-sha-256",
      // Kept in the data directory, so that a killed server leaves nothing in /dev/shm.
      dynamic_shared_memory_type: "mmap",
      fsync: "off",
      full_page_writes: "off",
      shared_buffers: "16MB",
      log_timezone: "UTC",
      timezone: "UTC",
    };
    if (tls) {
      // PostgreSQL refuses a key that others may read or that is not its user's own.
      for (
        const [name, from] of [["server.crt", tls.certFile], ["server.key", tls.keyFile], [
          "root.crt",
          tls.caFile,
        ]]
      ) {
        if (from === undefined) continue;
        await this.#write(name!, await Deno.readTextFile(from));
      }
      Object.assign(settings, { ssl: "on", ...(tls.caFile && { ssl_ca_file: "root.crt" }) });
    }
    const lines = Object.entries({ ...settings, ...this.#settings })
      .map(([name, value]) => `${name} = '${value.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`);
    await this.#write("pgplex.conf", lines.join("\n") + "\n");
    const main = await Deno.readTextFile(`${this.dataDir}/postgresql.conf`);
    if (!main.includes("include 'pgplex.conf'")) {
      await this.#write("postgresql.conf", `${main}\ninclude 'pgplex.conf'\n`);
    }
    const from = this.#options.place === undefined ? `${LOOPBACK}/32` : "samenet";
    const rules = ["local all", "host all", "local replication", "host replication"]
      .map((rule) => `${rule} all ${rule.startsWith("host") ? `${from} ` : ""}${auth}`);
    await this.#write("pg_hba.conf", [...hba, ...rules].join("\n") + "\n");
  }

  async #write(name: string, text: string): Promise<void> {
    const path = `${this.dataDir}/${name}`;
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, 0o600);
    const { user } = this.#binaries;
    if (user !== null) await Deno.chown(path, user.uid, user.gid);
  }

  /** In single-user mode, where nothing asks for a password yet. */
  async #setPassword(): Promise<void> {
    const { binDir, user } = this.#binaries;
    await using scratch = await tempDir();
    const statement = `ALTER ROLE postgres PASSWORD '${this.superuserPassword.replaceAll("'", "''")}'\n`;
    await Deno.writeTextFile(`${scratch.path}/sql`, statement);
    await giveTo(user, scratch.path);
    const said = await run("sh", {
      ...runAs(user),
      args: [
        "-c",
        // A commit would wait for standbys in this mode too.
        'exec "$0" --single -D "$1" -c synchronous_standby_names= postgres <"$2"',
        `${binDir}/postgres`,
        this.dataDir,
        `${scratch.path}/sql`,
      ],
      cwd: this.dataDir,
    });
    if (/ERROR|FATAL/.test(said)) throw new Error(`Cannot set the superuser's password: ${said}`);
  }

  /** Returns whether the server is ready, false when it ended instead. */
  async #spawn(deadlineMs: number): Promise<boolean> {
    const { user } = this.#binaries;
    const { place } = this.#options;
    const script = [
      "sh",
      "-c",
      'exec "$0" -D "$1" >>"$2" 2>&1',
      `${this.binDir}/postgres`,
      this.dataDir,
      `${this.#baseDir}/log`,
    ];
    // Only root may enter a namespace, so the user is dropped behind that.
    const isDropped = place !== undefined && user !== null;
    const [program, ...args] = commandIn(
      place,
      isDropped
        ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...script]
        : script,
    );
    const child = new Deno.Command(program!, {
      ...runAs(isDropped ? null : user),
      args,
      cwd: this.dataDir,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    child.unref();
    let ended = false;
    void child.status.then(() => ended = true);
    this.#child = child;
    await this.#watchdog.watch(child.pid);
    const state = await waitFor(async () => {
      if (ended) return "ended";
      // The last line of postmaster.pid tells the state: PM_STATUS_READY or PM_STATUS_STANDBY in utils/pidfile.h.
      const lines = (await Deno.readTextFile(`${this.dataDir}/postmaster.pid`)).split("\n");
      return Number(lines[0]) === child.pid && /^(ready|standby)/.test(lines[7] ?? "") && "ready";
    }, { what: `PostgreSQL on port ${this.port} to be ready; it logged: ${await this.log()}`, deadlineMs });
    if (state === "ended") {
      this.#child = null;
      await this.#watchdog.watch(null);
    }
    return state === "ready";
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#child;
    const adopted = this.#adopted;
    if (child === null && adopted !== null) {
      this.#adopted = null;
      signalTo(adopted, signal);
      await waitFor(async () => !await isRunning(adopted), {
        what: `PostgreSQL on port ${this.port} to end`,
        deadlineMs: 30_000,
      });
      await this.#watchdog.watch(null);
    }
    if (child === null) return;
    this.#child = null;
    signalTo(child.pid, signal);
    child.ref();
    await child.status;
    await this.#watchdog.watch(null);
  }

  /** A killed postmaster leaves its System V segment, which only marks the data directory as used. */
  async #removeSharedMemory(): Promise<void> {
    const lines = (await Deno.readTextFile(`${this.dataDir}/postmaster.pid`).catch(() => "")).split("\n");
    const id = lines[6]?.trim().split(/\s+/)[1];
    if (id) await run("ipcrm", { args: ["-m", id] }).catch(() => {});
  }
}

/** Whether a process runs, and is not merely waiting to be buried; with `name`, whether it is a program of that name. */
async function isRunning(pid: number, name = ""): Promise<boolean> {
  if (Deno.build.os !== "linux") return await isAlive(pid);
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  const state = stat.slice(stat.lastIndexOf(")") + 2)[0];
  return state !== undefined && state !== "Z" && stat.includes(`(${name}`);
}

/** The server ended during its start. */
class StartFailure extends Error {
  readonly portTaken: boolean;

  constructor(port: number, log: string) {
    const portTaken = /Address already in use/.test(log);
    super(
      portTaken
        ? `Cannot start PostgreSQL as port ${port} of 127.0.0.1 is in use: stop what listens there, or choose another port`
        : `PostgreSQL ended while it started on port ${port}. Its log says:\n${log.trim() || "(nothing)"}`,
    );
    this.portTaken = portTaken;
  }
}

/**
 * Starts a PostgreSQL server of one major on 127.0.0.1, downloading it first when the cache lacks it.
 *
 * ```ts ignore
 * await using node = await startPostgres({ major: 18, settings: { max_connections: "20" } });
 * const rows = await node.sql("SELECT 1 AS one");
 * ```
 */
export async function startPostgres(options: StartPostgresOptions): Promise<PostgresNode> {
  const binaries = await ensurePostgres(options.major, options);
  // Between its choice and its use, a free port may be taken by another process.
  for (let attempt = 1;; attempt++) {
    const base = await tempDir("pgplex-pg-");
    const node = new PostgresNode(binaries, options, {
      baseDir: base.path,
      port: options.port ?? freePort(),
    });
    try {
      await node.prepare();
      if (options.starts !== false) await node.start();
      return node;
    } catch (thrown) {
      await node[Symbol.asyncDispose]();
      if (options.port === undefined && attempt < 5 && thrown instanceof StartFailure && thrown.portTaken) {
        continue;
      }
      throw thrown;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
