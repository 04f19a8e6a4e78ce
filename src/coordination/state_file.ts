import { type DecodedState, decodeState, encodeState, type State } from "./state_encoding.ts";

/** What a state file held; `absent`: there is none. */
export type ReadState<R> = DecodedState<R> | { readonly kind: "absent" };

/** What became of writing one. `unknown`: it may be there, also after a crash, or not. */
export type WriteOutcome =
  | { readonly kind: "written" }
  | { readonly kind: "failed" | "unknown"; readonly reason: string };

/** A larger file is none of pgplex's. */
const FILE_BYTES_MAX = 64 << 20;

/**
 * A file that is written whole or not at all: beside it, to the disk, and then renamed, so that a crash leaves the one of before or
 * the new one. Who has it open has it alone ({@link StateFile.open}).
 */
export class StateFile<R> implements Disposable {
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Takes the file for this process, by a lock on `PATH.lock`. The file itself need not be there.
   *
   * @throws Error where another process has it, or the folder cannot be written
   */
  static async open<R>(path: string): Promise<StateFile<R>> {
    const lock = await Deno.open(`${path}.lock`, { create: true, write: true, mode: 0o600 });
    if (!await lock.tryLock(true)) {
      lock.close();
      throw new Error(`Cannot use the state file ${path} as another process has it`);
    }
    return new StateFile(path, lock);
  }

  /** Reads it. @throws Error where it is there and cannot be read */
  async read(): Promise<ReadState<R>> {
    try {
      const { size } = await Deno.stat(this.path);
      if (size > FILE_BYTES_MAX) return { kind: "damaged", reason: `it has ${size} bytes` };
      return decodeState(await Deno.readTextFile(this.path));
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound) return { kind: "absent" };
      throw thrown;
    }
  }

  /** Writes it whole. Never rejects. */
  async write(state: State<R>): Promise<WriteOutcome> {
    const beside = `${this.path}.new`;
    try {
      const file = await Deno.open(beside, { create: true, write: true, truncate: true, mode: 0o600 });
      try {
        const bytes = new TextEncoder().encode(encodeState(state));
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        await file.sync();
      } finally {
        file.close();
      }
    } catch (thrown) {
      return { kind: "failed", reason: String(thrown instanceof Error ? thrown.message : thrown) };
    }
    try {
      await Deno.rename(beside, this.path);
      // The name is on the disk when the folder is.
      const folder = await Deno.open(this.path.replace(/[^/]*$/, "") || ".");
      try {
        await folder.sync();
      } finally {
        folder.close();
      }
      return { kind: "written" };
    } catch (thrown) {
      return { kind: "unknown", reason: String(thrown instanceof Error ? thrown.message : thrown) };
    }
  }

  /** Puts a damaged file aside, under `PATH.damaged`, where a person can look at it. */
  async putAside(): Promise<void> {
    await Deno.rename(this.path, `${this.path}.damaged`);
  }

  /** Gives it up. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}
