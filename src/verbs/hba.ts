/** The first line of a pg_hba.conf that the fence has written. */
export const HBA_MARK = "# fenced by pgplex";

/** A row of the view pg_hba_file_rules. */
export interface HbaRule {
  readonly type: string;
  readonly database: readonly string[];
  readonly user_name: readonly string[];
  readonly address: string | null;
  readonly netmask: string | null;
  readonly auth_method: string;
  readonly options: readonly string[] | null;
}

/**
 * pg_hba.conf of a fenced server, made of the rules that it had: of replication all of them, of the rest those that could let in
 * `user`, for `user` alone; everybody else is rejected. So monitor, arbiter and standbys come in as they did, by the same methods.
 *
 * @param isMember whether `user` is a member of a role that a rule names by `+role`
 */
export function fencedHba(
  rules: readonly HbaRule[],
  { user, isMember }: { readonly user: string; readonly isMember: (role: string) => boolean },
): string {
  const kept = rules.flatMap((rule) => {
    const isOfReplication = rule.database.includes("replication");
    const others = rule.database.filter((name) => name !== "replication");
    return [
      ...(isOfReplication ? [ruleLine({ ...rule, database: ["replication"] })] : []),
      ...(others.length > 0 && rule.user_name.some((name) => fits(name, user, isMember))
        ? [ruleLine({ ...rule, database: others, user_name: [user] })]
        : []),
    ];
  });
  return [HBA_MARK, ...kept, "local all all reject", "host all all all reject", ""].join("\n");
}

function fits(name: string, user: string, isMember: (role: string) => boolean): boolean {
  if (name === "all" || name === user) return true;
  if (name.startsWith("+")) return isMember(name.slice(1));
  // A regular expression (16 and later) is the server's to judge: for `user` alone the rule says no more than it did.
  return name.startsWith("/") && !isRefusedBy(name, user);
}

function isRefusedBy(pattern: string, user: string): boolean {
  try {
    return !new RegExp(pattern.slice(1)).test(user);
  } catch {
    return false;
  }
}

function ruleLine({ type, database, user_name, address, netmask, auth_method, options }: HbaRule): string {
  return [
    type,
    database.map(token).join(","),
    user_name.map(token).join(","),
    ...(address === null ? [] : [token(address)]),
    ...(netmask === null ? [] : [netmask]),
    auth_method,
    ...(options ?? []).map(token),
  ].join(" ");
}

/** What is quoted loses its meaning as a keyword, so only what needs it is. */
function token(text: string): string {
  return /^[A-Za-z0-9_.:/=+*-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}
