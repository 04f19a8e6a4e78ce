import type { Translation } from "./translation.ts";

/** Types of PgBouncer that pgplex has under the same name. */
const SAME_TYPES: readonly string[] = ["trust", "md5", "scram-sha-256", "cert", "plain"];

/** Who may connect. */
export function writeAuth(to: Translation): void {
  const type = to.given("auth_type");
  const auth = to.at(["auth"]);
  if (type === null) auth.set("type", "md5", "PgBouncer's default; users may have SCRAM secrets too");
  else if (SAME_TYPES.includes(type)) {
    to.write(["auth", "type"], type);
  } else if (type === "any") {
    to.write(
      ["auth", "type"],
      "trust",
      "any: everybody is let in; databases need a forced user, as in PgBouncer",
    );
    to.at(["auth"]).comment("Unlike PgBouncer's any, the console is open to console.admin_users only.");
  } else if (type === "hba") writeHba(to);
  else {
    to.leave(["auth"], "auth_type", type, REASONS[type] ?? "is no type that pgplex knows");
    auth.set("type", "scram-sha-256");
  }
  if (type !== "any") auth.set("listed_users_only", true, "as in PgBouncer: trust and cert ask that too");
  if (type !== "hba") {
    for (const key of ["auth_hba_file", "auth_ident_file"]) {
      const file = to.given(key);
      if (file !== null) to.leave(["auth"], key, file, "PgBouncer reads it with auth_type = hba only");
    }
  }
  writeUserlist(to);
  writeQuery(to);
}

const REASONS: Readonly<Record<string, string>> = {
  ldap: "LDAP is not supported: give users passwords, or auth.query",
  pam: "PAM is not supported: give users passwords, or auth.query",
};

function writeHba(to: Translation): void {
  const { hbaProblem, identProblem } = to.surroundings;
  const file = to.given("auth_hba_file");
  const ident = to.given("auth_ident_file");
  if (file === null || hbaProblem !== null) {
    to.leave(["auth"], "auth_type", "hba", "needs an auth_hba_file that can be used; then: type: hba");
    to.at(["auth"]).set("type", "scram-sha-256");
  } else to.write(["auth", "type"], "hba");
  if (file !== null) {
    if (hbaProblem === null) to.write(["auth", "hba_file"], to.file(file));
    else to.leave(["auth"], "auth_hba_file", to.file(file), `${hbaProblem}; then: hba_file`);
  }
  if (ident !== null) {
    if (identProblem === null) to.write(["auth", "ident_file"], to.file(ident));
    else to.leave(["auth"], "auth_ident_file", to.file(ident), `${identProblem}; then: ident_file`);
  }
}

function writeUserlist(to: Translation): void {
  const name = to.given("auth_file");
  if (name === null) return;
  const { userlistProblem } = to.surroundings;
  if (userlistProblem !== null) {
    to.leave(["auth"], "auth_file", to.file(name), `${userlistProblem}; then: users_file`);
  } else to.write(["auth", "users_file"], to.file(name));
}

function writeQuery(to: Translation): void {
  const query = to.given("auth_query");
  const user = to.given("auth_user");
  if (user !== null) {
    to.at(["auth"]).comment(
      `auth_user = ${user}: is superuser of the clusters below, by whom unknown users are looked up.`,
    );
    if (query === null) to.at(["auth"]).set("query", true, "PgBouncer's default query");
    else to.carry(["auth", "query"], "auth_query", query);
  } else if (query !== null) {
    to.leave(["auth"], "auth_query", query, "PgBouncer asks nobody while auth_user is not set");
  }
}
