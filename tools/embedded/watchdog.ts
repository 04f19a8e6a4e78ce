/**
 * The script holds one end of a pipe whose other end lives in the calling program. However that program ends, by a crash or
 * SIGKILL too, the pipe closes; the script then ends what was watched and removes its folder.
 */
const SCRIPT = `
trap '' INT TERM HUP
pid=
while read -r line; do
  case $line in
    done) exit 0 ;;
    none) pid= ;;
    *) pid=$line ;;
  esac
done
if [ -n "$pid" ]; then
  kill -"$1" "$pid" 2>/dev/null
  kill -CONT "$pid" 2>/dev/null
  i=0
  while kill -0 "$pid" 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
  kill -KILL "$pid" 2>/dev/null
fi
for i in 1 2 3 4 5; do
  [ -z "$2" ] || rm -rf -- "$2" 2>/dev/null && exit 0
  sleep 0.2
done
`;

/** How a {@link Watchdog} ends what it watches. */
export interface WatchdogOptions {
  /** Sent first; SIGKILL follows after ten seconds. */
  signal: "TERM" | "QUIT" | "KILL";
  /** A folder to remove afterwards. */
  removeDir?: string;
}

/** Makes sure that one process at a time, and one folder, do not outlive the calling program. */
export class Watchdog implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #disposed = false;

  constructor(options: WatchdogOptions) {
    this.#child = new Deno.Command("sh", {
      args: ["-c", SCRIPT, "pgplex-watchdog", options.signal, options.removeDir ?? ""],
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      // Ctrl-C goes to the terminal's foreground process group, which this script must not be in.
      detached: true,
    }).spawn();
    this.#child.unref();
    this.#writer = this.#child.stdin.getWriter();
  }

  /** Watches process `pid`, or none, from now on. */
  async watch(pid: number | null): Promise<void> {
    if (!this.#disposed) await this.#say(pid === null ? "none" : String(pid));
  }

  /** Ends the watch and touches nothing: the caller has cleaned up. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#say("done");
    await this.#writer.close().catch(() => {});
    this.#child.ref();
    await this.#child.status;
  }

  async #say(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(line + "\n"));
  }
}
