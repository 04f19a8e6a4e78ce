import { parseArgs } from "node:util";
import denoJson from "./deno.json" with { type: "json" };
import { Process } from "./src/process.ts";
import type { DrainGoal } from "./src/stopping.ts";
import {
  type Config,
  formatProblem,
  formatProblems,
  loadConfig,
  type ParsedConfig,
  type RefusedConfig,
} from "./src/config/mod.ts";
import type { Meter } from "./src/http/mod.ts";
import { importPgBouncer } from "./src/import/mod.ts";
import { checkEtcd, openCoordination } from "./src/coordination/mod.ts";
import { type Clock, type Random, RoundClock, type Rounds } from "./src/kernel/mod.ts";
import { runSchemaCommand, SCHEMA_COMMANDS } from "./src/schema/mod.ts";
import { type Log, openLog } from "./src/telemetry/mod.ts";
import { helpText, ProgressLine } from "./src/usage/mod.ts";
import { KeyCache } from "./src/auth/mod.ts";
import { StatementStore } from "./src/backend/mod.ts";
import {
  BufferPool,
  certificatesProblem,
  EpollNetwork,
  keyPairProblem,
  type Network,
  RuntimeNetwork,
} from "./src/transport/mod.ts";

const HELP = helpText(denoJson.version);

const NO_DEMO = `pgplex: the demo starts PostgreSQL servers, which this command has no permission for.
It runs from a checkout of pgplex: npx deno@2.9.6 task demo
`;

/** Shorter than the health check of the Dockerfile. */
const HEALTH_TIMEOUT_MS = 2000;

const ExitCode = { Ok: 0, Failure: 1, Usage: 2 } as const;

function say(text: string): void {
  writeAll(Deno.stdout, text);
}

function complain(text: string): void {
  writeAll(Deno.stderr, text);
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch {
    // Whoever read our output is gone; that is no reason to stop serving.
  }
}

function systemClock(): Clock {
  return {
    nowMs: () => performance.now(),
    exactMs: () => performance.now(),
    wallMs: () => Date.now(),
    after: (delayMs, fire) => {
      const id = setTimeout(fire, Math.min(delayMs, 2 ** 31 - 1));
      return { cancel: () => clearTimeout(id) };
    },
  };
}

function systemRandom(): Random {
  const one = new Uint32Array(1);
  return {
    u32: () => crypto.getRandomValues(one)[0]!,
    fill: (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
  };
}

/** Resolves when the event loop has looked at its sockets once more. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The sockets of this process. The right to call the C library ends here: what is open of it is all that anybody has.
 *
 * @throws Error when epoll is asked for and cannot be had
 */
async function openNetwork(method: Config["io_method"], rounds: Rounds): Promise<Network> {
  const epoll = method === "runtime" ? null : EpollNetwork.open(rounds);
  await Deno.permissions.revoke({ name: "ffi" });
  if (epoll === null && method === "epoll") {
    throw new Error(
      "io_method is epoll, which needs Linux on x86_64 or aarch64, glibc, and --allow-ffi for it",
    );
  }
  return epoll ?? new RuntimeNetwork();
}

function load(path: string, readBytes = Deno.readFile): Promise<ParsedConfig | RefusedConfig> {
  return loadConfig(path, {
    readBytes: (file) => readBytes(file),
    env: (name) => Deno.env.get(name),
    certificatesProblem,
    keyPairProblem,
  });
}

/** The runtime's own OpenTelemetry, where OTEL_DENO has switched it on; null where it is off. */
function runtimeMeter(): Meter | null {
  try {
    return Deno.telemetry.meterProvider.getMeter("pgplex", denoJson.version);
  } catch {
    return null;
  }
}

/** As people know this instance. */
function hostNameOf({ instance: { id, name } }: Config): string {
  if (name !== null) return name;
  try {
    return Deno.env.get("HOSTNAME") ?? Deno.readTextFileSync("/etc/hostname").trim();
  } catch {
    return `pgplex ${id}`;
  }
}

async function readConfig(path: string): Promise<ParsedConfig | null> {
  const loaded = await load(path);
  if ("config" in loaded) return loaded;
  complain(`${formatProblems(loaded.problems)}\n`);
  return null;
}

/** Tries what a good configuration names and can be tried without doing anything. */
async function check({ config, positions, warnings }: ParsedConfig, path: string): Promise<number> {
  for (const warning of warnings) complain(`${formatProblem(warning)}\n`);
  const { coordination } = config;
  if (coordination === null) {
    say(`${path}: good\n`);
    return ExitCode.Ok;
  }
  const { line, column } = positions.get("coordination.etcd.endpoints") ?? { line: 1, column: 1 };
  let isGood = true;
  for (
    const { endpoint, problem, version } of await checkEtcd({ etcd: coordination.etcd, clock: systemClock() })
  ) {
    if (problem === null) say(`${path}: ${endpoint}: good, etcd ${version ?? "of an unknown version"}\n`);
    else {
      isGood = false;
      complain(`${path}:${line}:${column}: Cannot use ${endpoint}: ${problem}\n`);
    }
  }
  if (isGood) say(`${path}: good\n`);
  return isGood ? ExitCode.Ok : ExitCode.Failure;
}

/** Whether pgplex answers within {@link HEALTH_TIMEOUT_MS}. */
function isHealthy(config: Config): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, HEALTH_TIMEOUT_MS, false));
  return Promise.race([answers(config), late]);
}

async function answers({ listen }: Config): Promise<boolean> {
  const [address] = listen.address;
  const host = address === undefined || address === "0.0.0.0"
    ? "127.0.0.1"
    : address === "::"
    ? "::1"
    : address;
  try {
    const conn = address === undefined
      ? await Deno.connect({ transport: "unix", path: `${listen.unix_socket_dir}/.s.PGSQL.${listen.port}` })
      : await Deno.connect({ hostname: host, port: listen.port });
    // An SSLRequest is answered by one byte before anything else: more than the kernel's backlog answers.
    await conn.write(new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]));
    const answered = await conn.read(new Uint8Array(1));
    conn.close();
    return answered === 1;
  } catch {
    return false;
  }
}

async function run(parsed: ParsedConfig, path: string): Promise<number> {
  const { config } = parsed;
  let { format } = config.log;
  let log = openLog({ ...config.log, write: complain });
  const stopped = Promise.withResolvers<number>();
  let running: Process;
  let network: Network;
  const stop = (how: () => Promise<void>) => {
    how().then(() => stopped.resolve(ExitCode.Ok), () => stopped.resolve(ExitCode.Failure));
  };
  const drain = (waitFor: DrainGoal) => stop(() => running.drain(waitFor));
  try {
    // The log is looked up at each call: another configuration may replace it.
    const current = {
      debug: (...args: Parameters<typeof log.debug>) => log.debug(...args),
      info: (...args: Parameters<typeof log.info>) => log.info(...args),
      warning: (...args: Parameters<typeof log.warning>) => log.warning(...args),
      error: (...args: Parameters<typeof log.error>) => log.error(...args),
    };
    const clock = new RoundClock(systemClock());
    const random = systemRandom();
    const hostName = hostNameOf(config);
    network = await openNetwork(config.io_method, clock);
    await Process.prepare(config);
    running = await Process.start(parsed, {
      clock,
      random,
      network,
      log: current,
      turn,
      version: denoJson.version,
      load: () => load(path),
      hostName,
      rounds: clock,
      meter: runtimeMeter(),
      openStore: (config) => {
        return openCoordination(config, {
          clock,
          random,
          log: current,
          name: hostName,
          version: denoJson.version,
        });
      },
      configured: (next) => {
        ({ format } = next.log);
        log = openLog({ ...next.log, write: complain });
      },
      refused: (problems) => {
        // People get what their editor can follow, machines a line of JSON each.
        if (format === "text") return complain(`${formatProblems(problems)}\n`);
        for (const problem of problems) {
          log.error("problem in the configuration", { problem: formatProblem(problem) });
        }
      },
      shutdown: (mode) => {
        if (mode === "now") stop(() => running.stop());
        else drain(mode === "wait_for_servers" ? "servers" : "clients");
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (format === "text") complain(`pgplex: cannot listen: ${reason}\n`);
    else log.error("cannot listen", { error: reason });
    return ExitCode.Failure;
  }
  // Whoever reads that pgplex is ready may send any of them.
  // Why a file was refused has been said where it was found.
  Deno.addSignalListener("SIGHUP", () => void running.reload().catch(() => {}));
  Deno.addSignalListener("SIGUSR1", () => void running.pause());
  Deno.addSignalListener("SIGUSR2", () => running.resume());
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    Deno.addSignalListener(signal, () => stop(() => running.stopBy(signal)));
  }
  for (const warning of parsed.warnings) {
    log.warning("the configuration may mean something else", { problem: formatProblem(warning) });
  }
  log.info("pgplex is ready", {
    version: denoJson.version,
    listen: running.addresses.join(", "),
    io_method: running.ioMethod,
  });
  tellServiceManager(network, log, stopped.promise);
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("internal error", { error: String(event.reason?.stack ?? event.reason) });
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    log.error("internal error", { error: String(event.error?.stack ?? event.message) });
  });
  const code = await stopped.promise;
  log.info("pgplex has stopped");
  return code;
}

/**
 * Tells systemd that pgplex is ready, that it lives, and that it stops, where systemd asks for that: sd_notify(3), sd_watchdog_enabled(3).
 * It lives as long as the event loop turns.
 */
function tellServiceManager(network: Network, log: Log, stopped: Promise<unknown>): void {
  const path = Deno.env.get("NOTIFY_SOCKET");
  if (!path) return;
  let tell: (text: string) => void;
  try {
    if (!(network instanceof EpollNetwork)) throw new Error("io_method is runtime, which has no datagrams");
    tell = network.datagramsTo(path);
  } catch (error) {
    return log.warning("systemd cannot be told", { error: String(error) });
  }
  tell("READY=1\nSTATUS=serving");
  const watchdogMs = Number(Deno.env.get("WATCHDOG_USEC") ?? 0) / 1000;
  const isMeant = (Deno.env.get("WATCHDOG_PID") ?? String(Deno.pid)) === String(Deno.pid);
  const timer = watchdogMs > 0 && isMeant ? setInterval(tell, watchdogMs / 2, "WATCHDOG=1") : undefined;
  void stopped.finally(() => {
    clearInterval(timer);
    tell("STOPPING=1\nSTATUS=stopped");
  });
}

/** Where long work says what it does: standard error, where that is a terminal that can erase a line. */
function openProgress(): ProgressLine | null {
  if (!Deno.stderr.isTerminal() || (Deno.env.get("TERM") ?? "dumb") === "dumb") return null;
  // A terminal that nobody gave a size says 0.
  const columns = () => Deno.consoleSize().columns || 80;
  return new ProgressLine({ write: complain, columns, clock: systemClock() });
}

/** `pgplex schema COMMAND --cluster NAME`. */
async function schema(args: string[]): Promise<number> {
  const usage = (reason: string) => {
    complain(`pgplex schema: ${reason}\n\n${HELP}`);
    return ExitCode.Usage;
  };
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: { config: { type: "string", default: "pgplex.yaml" }, cluster: { type: "string" } },
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const { values: { config: path, cluster: name }, positionals: [command, ...rest] } = parsed;
  const known = SCHEMA_COMMANDS.find((known) => known === command);
  if (known === undefined || rest.length > 0) return usage(`give one of ${SCHEMA_COMMANDS.join(", ")}`);
  if (name === undefined) return usage("give --cluster NAME");
  const loaded = await readConfig(path);
  if (loaded === null) return ExitCode.Usage;
  const { config } = loaded;
  const cluster = config.clusters.get(name);
  if (cluster === undefined) {
    return usage(`no cluster ${name} is in ${path}, which has ${[...config.clusters.keys()].join(", ")}`);
  }
  let connections = 0;
  const progress = openProgress();
  const result = await runSchemaCommand(known, cluster, {
    progress: (text) => progress?.step(text),
    connectTimeoutMs: config.monitor.connect_timeout,
    runtime: {
      clock: systemClock(),
      random: systemRandom(),
      network: new RuntimeNetwork(),
      keyCache: new KeyCache(),
      buffers: new BufferPool(),
      statements: new StatementStore(),
      turn,
      nextId: () => ++connections,
    },
  });
  progress?.end();
  if (result.ok) {
    say(`${result.lines.join("\n")}\n`);
    return ExitCode.Ok;
  }
  complain(`pgplex schema: ${result.kind}: ${result.reason}\n`);
  if (result.instead !== undefined) complain(`Type: ${result.instead}\n`);
  return ExitCode.Failure;
}

/** `pgplex import FILE`: the configuration goes to standard output, what is to be said of it to standard error. */
async function importFile(args: string[]): Promise<number> {
  const [path, ...rest] = args;
  if (path === undefined || path.startsWith("-") || rest.length > 0) {
    complain(`pgplex import: give the file of PgBouncer, and nothing else\n\n${HELP}`);
    return ExitCode.Usage;
  }
  const progress = openProgress();
  const read = (file: string) => {
    progress?.step(`pgplex import: reading ${file}`);
    return Deno.readTextFile(file);
  };
  let made;
  try {
    made = await importPgBouncer(path, { read, folder: Deno.cwd() }).finally(() => progress?.end());
  } catch (error) {
    complain(`pgplex import: cannot read ${path}: ${error instanceof Error ? error.message : error}\n`);
    return ExitCode.Usage;
  }
  say(made.yaml);
  complain(`pgplex import: ${made.carried} settings carried over, ${made.left} not: comments say why\n`);
  // The result is put to the test that --check is, under the name of a file beside PgBouncer's relative names.
  const name = `${Deno.cwd()}/pgplex.yaml`;
  const bytes = new TextEncoder().encode(made.yaml);
  const loaded = await load(name, (file) => file === name ? Promise.resolve(bytes) : Deno.readFile(file));
  if ("config" in loaded) return ExitCode.Ok;
  complain(`pgplex import: what is printed does not pass --check yet:\n${formatProblems(loaded.problems)}\n`);
  return ExitCode.Failure;
}

async function main(args: string[]): Promise<number> {
  if (args[0] === "schema") return await schema(args.slice(1));
  if (args[0] === "import") return await importFile(args.slice(1));
  if (args[0] === "demo") {
    complain(NO_DEMO);
    return ExitCode.Usage;
  }
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        config: { type: "string", default: "pgplex.yaml" },
        check: { type: "boolean", default: false },
        health: { type: "boolean", default: false },
        version: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    complain(`pgplex: ${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return ExitCode.Usage;
  }
  if (values.help) {
    say(HELP);
    return ExitCode.Ok;
  }
  if (values.version) {
    say(`pgplex ${denoJson.version}\n`);
    return ExitCode.Ok;
  }
  if (values.config === "") {
    complain(`pgplex: --config needs the name of a file\n\n${HELP}`);
    return ExitCode.Usage;
  }
  const parsed = await readConfig(values.config);
  if (parsed === null) return values.check ? ExitCode.Failure : ExitCode.Usage;
  if (values.check) return await check(parsed, values.config);
  if (values.health) return await isHealthy(parsed.config) ? ExitCode.Ok : ExitCode.Failure;
  return await run(parsed, values.config);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
