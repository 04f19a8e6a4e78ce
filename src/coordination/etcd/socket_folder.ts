const PREFIX = "pgplex-etcd-";
/** Held by who uses the folder; the kernel gives it back when his process ends, however it ends. */
const LOCK = "in-use";
/** Somebody has just made a younger one, and is about to take its lock. */
const AGE_MS_MIN = 60_000;
/** Folders that one start removes at most. */
const REMOVED_MAX = 64;

/** A folder for unix sockets that only this user may enter. */
export class SocketFolder {
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /** Makes one in `dir`, the folder for temporary files unless given. @throws Error when it cannot be made */
  static async make(dir?: string): Promise<SocketFolder> {
    const path = await Deno.makeTempDir({ prefix: PREFIX, ...(dir !== undefined && { dir }) });
    try {
      await Deno.chmod(path, 0o700);
      const lock = await Deno.open(`${path}/${LOCK}`, { createNew: true, write: true, mode: 0o600 });
      await lock.lock(true);
      return new SocketFolder(path, lock);
    } catch (error) {
      await removeWhole(path);
      throw error;
    }
  }

  /** Removes it with all that is in it. */
  async remove(): Promise<void> {
    await removeWhole(this.path);
    this.#lock.close();
  }

  /**
   * Removes the folders beside this one that killed processes have left: of this user, not by way of a link, and of nobody who lives, also in
   * another container that shares the folder for temporary files. Never rejects.
   */
  async sweep(nowMs: number): Promise<void> {
    try {
      const { uid } = await Deno.lstat(this.path);
      const dir = this.path.slice(0, this.path.lastIndexOf("/"));
      let removed = 0;
      for await (const { name, isDirectory } of Deno.readDir(dir)) {
        const path = `${dir}/${name}`;
        if (!isDirectory || !name.startsWith(PREFIX) || path === this.path) continue;
        if (await isLeft(path, uid, nowMs) && ++removed <= REMOVED_MAX) await removeWhole(path);
      }
    } catch {
      // What cannot be looked at stays.
    }
  }
}

/** Whether a folder is one of this user's, and old, and its lock is there and free. */
async function isLeft(path: string, uid: number | null, nowMs: number): Promise<boolean> {
  try {
    const folder = await Deno.lstat(path);
    const isOld = folder.mtime !== null && nowMs - folder.mtime.getTime() >= AGE_MS_MIN;
    if (!folder.isDirectory || folder.uid !== uid || !isOld) return false;
    if (!(await Deno.lstat(`${path}/${LOCK}`)).isFile) return false;
    using lock = await Deno.open(`${path}/${LOCK}`, { read: true });
    return await lock.tryLock(true);
  } catch {
    return false;
  }
}

async function removeWhole(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}
