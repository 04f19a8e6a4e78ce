import { commandIn, LOOPBACK, type Place } from "./place.ts";
import { signalTo } from "./processes.ts";
import { GiveUp, removeAll, waitFor } from "./wait.ts";
import { Watchdog } from "./watchdog.ts";

/** What to run in the background. */
export interface DaemonOptions {
  /** For errors: "pgplex", "etcd". */
  what: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  place?: Place;
  /** The process's own folder: holds its log, and is removed with it. */
  dir: string;
  /** Returns true once the process does its work. */
  ready: () => Promise<boolean>;
  /** How long the start may take; 20 seconds unless said. */
  deadlineMs?: number;
}

/** A process in the background that ends with the calling program, whatever way that ends. Its output is in {@link log}. */
export class Daemon implements AsyncDisposable {
  readonly pid: number;
  /** Fulfilled when the process ended. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #options: DaemonOptions;
  readonly #child: Deno.ChildProcess;
  readonly #watchdog: Watchdog;
  #status: Deno.CommandStatus | null = null;

  private constructor(options: DaemonOptions) {
    this.#options = options;
    this.#watchdog = new Watchdog({ signal: "TERM", removeDir: options.dir });
    this.#child = new Deno.Command("sh", {
      // A file, not a pipe: a pipe's reader would be an operation that one test starts and another ends.
      args: [
        "-c",
        'exec "$@" >>"$0" 2>&1',
        `${options.dir}/log`,
        ...commandIn(options.place, [options.command, ...options.args]),
      ],
      ...(options.env && { env: options.env }),
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    this.#child.unref();
    this.pid = this.#child.pid;
    this.exited = this.#child.status.then((status) => this.#status = status);
  }

  /** Starts the process and waits until it is ready. @throws {Error} with its log, when it ends or hangs instead. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options);
    try {
      await daemon.#watchdog.watch(daemon.pid);
      await waitFor(async () => {
        if (!daemon.running) {
          throw new GiveUp(new Error(`${options.what} ended with exit code ${daemon.#status?.code}`));
        }
        return await options.ready();
      }, { what: `${options.what} to start`, deadlineMs: options.deadlineMs ?? 20_000 });
      return daemon;
    } catch (thrown) {
      const said = daemon.log.trim() || "(nothing)";
      await daemon[Symbol.asyncDispose]();
      throw new Error(`Cannot start ${options.what}: ${(thrown as Error).message}. It said:\n${said}`, {
        cause: thrown,
      });
    }
  }

  get running(): boolean {
    return this.#status === null;
  }

  /** All that the process wrote to its outputs so far. */
  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.#options.dir}/log`);
    } catch {
      return "";
    }
  }

  /** Sends a signal; one to a process that has ended is no error. */
  signal(signal: Deno.Signal): void {
    if (this.running) signalTo(this.pid, signal);
  }

  /**
   * Sends `signal` and returns the exit code (128 + number after death by a signal).
   *
   * @throws {Error} when the process still runs after `deadlineMs`; it is killed then.
   */
  async stop(signal: Deno.Signal = "SIGTERM", deadlineMs = 15_000): Promise<number> {
    this.signal(signal);
    this.#child.ref();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), deadlineMs));
    const status = await Promise.race([this.exited, late]);
    clearTimeout(timer);
    if (status === null) {
      this.signal("SIGKILL");
      await this.exited;
      throw new Error(
        `${this.#options.what} did not end within ${deadlineMs} ms of ${signal}. It said:\n${this.log}`,
      );
    }
    await this.#watchdog.watch(null);
    return status.code;
  }

  /** Kills the process, if it still runs, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.running) await this.stop("SIGKILL");
      await removeAll(this.#options.dir);
    } finally {
      await this.#watchdog[Symbol.asyncDispose]();
    }
  }
}

/** Whether something accepts TCP connections on `port` of 127.0.0.1, or of another host. */
export async function accepts(port: number, hostname = LOOPBACK): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname, port });
    return true;
  } catch {
    return false;
  }
}
