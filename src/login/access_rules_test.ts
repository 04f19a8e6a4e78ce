import { strictEqual as equal, throws } from "node:assert/strict";
import { AccessRules } from "./access_rules.ts";

const CLIENT = { database: "app", user: "alice", address: "10.0.0.9", tls: false, replication: false };

Deno.test("AccessRules: auth.type holds for everybody unless it is hba", () => {
  const rules = new AccessRules({ type: "md5", hba_text: "host all all all reject", ident_text: null });
  equal(rules.admissionOf(CLIENT).type, "md5");
});

Deno.test("AccessRules: the first rule for a client says how it proves who it is, reject and no rule refuse it", () => {
  const rules = new AccessRules({
    type: "hba",
    hba_text: "host app alice 10.0.0.0/8 scram-sha-256\nhost all bob all reject\n",
    ident_text: null,
  });
  equal(rules.admissionOf(CLIENT).type, "scram-sha-256");
  throws(() => rules.admissionOf({ ...CLIENT, user: "bob" }), {
    sqlstate: "28000",
    message: 'hba_file rejects connection for host "10.0.0.9", user "bob", database "app", no encryption',
  });
  throws(() => rules.admissionOf({ ...CLIENT, address: null, tls: true }), {
    message: 'no hba_file entry for local connection, user "alice", database "app", SSL encryption',
  });
});

Deno.test("AccessRules: a map says which certificates may be a user", () => {
  const rules = new AccessRules({
    type: "hba",
    hba_text: "hostssl all all all cert map=m\n",
    ident_text: "m robot alice\n",
  });
  const { mayBe } = rules.admissionOf({ ...CLIENT, tls: true });
  equal(mayBe!("robot"), true);
  equal(mayBe!("alice"), false);
});
