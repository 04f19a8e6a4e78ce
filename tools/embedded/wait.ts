/** How {@link waitFor} waits. */
export interface WaitOptions {
  /** Gives up after this many milliseconds; 10 seconds unless said. */
  deadlineMs?: number;
  /** What is waited for, as it should stand in the error: "the port to accept connections". */
  what: string;
  /** Pause between two looks; 20 ms unless said. */
  everyMs?: number;
}

/**
 * Calls `condition` until it returns something truthy, and returns that.
 *
 * @throws {Error} at the deadline, naming `what`, with the last error that `condition` threw as its cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<NonNullable<T>> {
  const deadlineMs = options.deadlineMs ?? 10_000;
  const until = performance.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      cause = undefined;
    } catch (thrown) {
      if (thrown instanceof GiveUp) throw thrown.reason;
      cause = thrown;
    }
    if (performance.now() >= until) {
      const last = cause instanceof Error ? ` (last: ${cause.message})` : "";
      throw new Error(`Waited ${deadlineMs} ms in vain for ${options.what}${last}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
}

/** Thrown inside a condition of {@link waitFor} to stop waiting at once with `reason`. */
export class GiveUp extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super("giving up");
    this.reason = reason;
  }
}

/** Below what Linux and macOS give to outgoing connections, so that none of these takes the port while its server is down. */
const [FIRST_PORT, LAST_PORT] = [12_000, 32_000];

const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nothing listens on, and that was not given before. */
export function freePort(): number {
  for (let tries = 0; tries < 1000; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (given.has(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (thrown) {
      if (thrown instanceof Deno.errors.AddrInUse) continue;
      throw thrown;
    }
    given.add(port);
    return port;
  }
  throw new Error("no free port found");
}

/** A folder that is removed at the end of its `await using` block. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** Makes a temporary folder that the unprivileged user of {@link "./user.ts"} can reach too. */
export async function tempDir(prefix = "pgplex-"): Promise<TempDir> {
  const path = await Deno.makeTempDir({ dir: await tempRoot(), prefix });
  await Deno.chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => removeAll(path) };
}

/** Removes `path` and what is under it; what a dying process still writes there only delays it. */
export async function removeAll(path: string): Promise<void> {
  await waitFor(async () => {
    try {
      await Deno.remove(path, { recursive: true });
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
    }
    return true;
  }, { what: `the folder ${path} to be removed` });
}

/** Whether any user may pass through all parents of `path`. */
export async function reachableByAll(path: string): Promise<boolean> {
  for (let at = path;;) {
    const info = await Deno.stat(at).catch(() => null);
    // A folder that does not exist yet will be made with mode 755.
    if (info !== null && ((info.mode ?? 0) & 0o001) === 0) return false;
    const parent = at.replace(/\/[^/]*$/, "") || "/";
    if (parent === at) return true;
    at = parent;
  }
}

async function tempRoot(): Promise<string> {
  const wanted = Deno.env.get("TMPDIR") ?? "/tmp";
  return Deno.uid() !== 0 || await reachableByAll(await Deno.realPath(wanted)) ? wanted : "/tmp";
}
