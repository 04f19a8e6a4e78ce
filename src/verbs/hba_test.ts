import { strictEqual as equal } from "node:assert/strict";
import { fencedHba, HBA_MARK, type HbaRule } from "./hba.ts";

const rule = (database: string, user: string, more: Partial<HbaRule> = {}): HbaRule => ({
  type: "host",
  database: database.split(","),
  user_name: user.split(","),
  address: "10.0.0.0",
  netmask: "255.0.0.0",
  auth_method: "scram-sha-256",
  options: null,
  ...more,
});

Deno.test("fencedHba keeps replication as it was, and of the rest what lets in its user, for it alone", () => {
  const rules = [
    rule("all", "app"),
    rule("all,replication", "all", { type: "local", address: null, netmask: null, auth_method: "peer" }),
    rule("sameuser", "boss,app", { type: "hostssl", address: "all", netmask: null, options: ["map=a b"] }),
    rule("replication", "repl"),
    rule("all", "+admins"),
    rule("all", "+others"),
    rule("db", "/^bo", { auth_method: "reject" }),
    rule("db", "/^x"),
    rule("all", "/(", {}),
  ];
  const text = fencedHba(rules, { user: "boss", isMember: (role) => role === "admins" });
  equal(
    text,
    [
      HBA_MARK,
      "local replication all peer",
      "local all boss peer",
      'hostssl sameuser boss all scram-sha-256 "map=a b"',
      "host replication repl 10.0.0.0 255.0.0.0 scram-sha-256",
      "host all boss 10.0.0.0 255.0.0.0 scram-sha-256",
      "host db boss 10.0.0.0 255.0.0.0 reject",
      "host all boss 10.0.0.0 255.0.0.0 scram-sha-256",
      "local all all reject",
      "host all all all reject",
      "",
    ].join("\n"),
  );
});

Deno.test("fencedHba quotes names that would be read as something else", () => {
  const text = fencedHba([rule("a b", "x,y z")], { user: "y z", isMember: () => false });
  equal(text.split("\n")[1], 'host "a b" "y z" 10.0.0.0 255.0.0.0 scram-sha-256');
});
