/** The user that PostgreSQL runs as, when not the one who called. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user to drop to: PostgreSQL refuses to run as root. `postgres` where it exists, else `nobody`; null when the caller is
 * not root, as then nothing has to be dropped.
 */
export async function unprivilegedUser(): Promise<SystemUser | null> {
  if (Deno.uid() !== 0) return null;
  const lines = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const entry = lines.find((fields) => fields[0] === name);
    if (entry) return { name, uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error(
    "Cannot start PostgreSQL as root: it refuses to, and this machine has neither a user postgres nor nobody to drop to. " +
      "Run this as an ordinary user, or make a user postgres.",
  );
}

/** The options of `Deno.Command` that make it run as `user`, with an environment free of the caller's PG* variables. */
export function runAs(
  user: SystemUser | null,
): Pick<Deno.CommandOptions, "uid" | "gid" | "env" | "clearEnv"> {
  const env: Record<string, string> = { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin", LC_ALL: "C" };
  return user === null ? { env, clearEnv: true } : { env, clearEnv: true, uid: user.uid, gid: user.gid };
}

/** Runs `command` to its end and returns what it wrote to both outputs. @throws {Error} when its exit code is not 0. */
export async function run(command: string, options: Deno.CommandOptions): Promise<string> {
  const output = await new Deno.Command(command, {
    stdin: "null",
    ...options,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stdout) + decoder.decode(output.stderr);
  if (!output.success) throw new Error(`${command} ended with exit code ${output.code}: ${text.trim()}`);
  return text;
}

/** Gives `path` and everything under it to `user`; does nothing for null. */
export async function giveTo(user: SystemUser | null, path: string): Promise<void> {
  if (user !== null) await run("chown", { args: ["-R", `${user.uid}:${user.gid}`, path] });
}
