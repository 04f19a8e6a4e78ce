/** Where the system's own users stand; those of a directory service do not. */
const PASSWD = "/etc/passwd";

/** The names that the system's users file has for a user's number: several may share one. */
export function systemUserNames(
  uid: number,
  passwd: string = Deno.readTextFileSync(PASSWD),
): readonly string[] {
  const fields = passwd.split("\n").map((line) => line.split(":"));
  return fields.filter(([, , number]) => number === String(uid)).map(([name]) => name!);
}
