import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { md5Password, ScramClient } from "../../tests/harness/wire_auth.ts";
import type { Session } from "../session/mod.ts";
import { until } from "../servers/fake_cluster_test.ts";
import { FramedReader } from "../transport/mod.ts";
import { AccessRules } from "./access_rules.ts";
import { authenticate } from "./authentication.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeDoor, FakeWorker, PEER, TRUST, UNIX } from "./fake_worker_test.ts";
import type { Opened } from "./opening.ts";

const OK = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0);

/** A client whose startup packet said this, where `auth.type` is `type`. */
function rig(
  { type = "trust", params = { user: "alice", database: "app" } as Record<string, string>, minor = 0 } = {},
) {
  const worker = new FakeWorker(`${TRUST}auth: { type: ${type} }\n`, { alice: "hunter2" });
  const client = new FakeClient();
  const opened: Opened = {
    reader: new FramedReader(client.stream),
    tls: null,
    startup: { minor, params: new Map(Object.entries(params)), protocolOptions: [] },
  };
  return { worker, client, opened, authenticate: () => authenticate(worker, opened, PEER) };
}

/** The one message that the client was sent, once it is there. */
async function asked({ client }: ReturnType<typeof rig>) {
  await until(() => client.stream.written.length > 0);
  const [message, ...more] = client.said();
  equal(more.length, 0);
  return message!;
}

Deno.test("authenticate trusts, and keeps AuthenticationOk for what follows it", async () => {
  const { client, opened, authenticate } = rig();
  const result = await authenticate();
  deepEqual([result?.user, result?.database, result?.admission], ["alice", "app", OK]);
  equal(result?.reader, opened.reader);
  equal(client.stream.taken().length, 0);
});

Deno.test("authenticate lets nobody in by trust who is in no list, where listed_users_only says so", async () => {
  const yaml = `${TRUST}auth: { type: trust, users: { alice: null }, listed_users_only: true }\n`;
  for (const user of ["alice", "mallory"]) {
    const { opened } = rig({ params: { user, database: "app" } });
    const entering = authenticate(new FakeWorker(yaml), opened, PEER);
    if (user === "alice") equal((await entering)?.user, "alice");
    else {
      await rejects(entering, {
        sqlstate: "28000",
        message: 'trust authentication failed for user "mallory"',
      });
    }
  }
});

Deno.test("authenticate takes the system's word for who is on a unix socket, by the rule peer", async () => {
  const worker = new FakeWorker(`${TRUST}auth: { type: hba, hba_file: rules }\n`);
  const rules = (map: string) =>
    new AccessRules({ type: "hba", hba_text: `local all all peer ${map}`, ident_text: "m root alice" });
  const enter = (user: string, map: string, uid?: number) => {
    const { opened } = rig({ params: { user, database: "app" } });
    Object.assign(worker, { accessRules: rules(map) });
    const names = (of: number) => of === 0 ? ["root"] : [];
    return authenticate(worker, opened, uid === undefined ? UNIX : { ...UNIX, uid }, names);
  };
  equal((await enter("root", "", 0))?.user, "root");
  equal((await enter("alice", "map=m", 0))?.user, "alice");
  for (
    const [user, map, uid] of [["alice", "", 0], ["root", "map=m", 0], ["root", "", 1], ["root", ""]] as const
  ) {
    await rejects(enter(user, map, uid), {
      sqlstate: "28000",
      message: `peer authentication failed for user "${user}"`,
    });
  }
});

Deno.test("authenticate takes the user's name for the database where none is given", async () => {
  for (const params of [{ user: "alice" }, { user: "alice", database: "" }]) {
    equal((await rig({ params }).authenticate())?.database, "alice");
  }
});

Deno.test("authenticate cuts the user's name at 63 bytes, as PostgreSQL does", async () => {
  const result = await rig({ params: { user: "u".repeat(70), database: "d".repeat(70) } }).authenticate();
  deepEqual([result?.user.length, result?.database.length], [63, 70]);
});

Deno.test("authenticate refuses a startup packet without a user", async () => {
  for (const params of [{ database: "app" }, { user: "" }] as Record<string, string>[]) {
    await rejects(rig({ params }).authenticate(), { code: "invalid_authorization", sqlstate: "28000" });
  }
});

Deno.test("authenticate refuses whoever comes while pgplex stops, or is full, but for the console", async () => {
  const draining = rig();
  draining.worker.draining = true;
  await rejects(draining.authenticate(), { code: "shutting_down" });
  const operator = rig({ params: { user: "alice", database: "pgplex" } });
  operator.worker.draining = true;
  operator.worker.console = new FakeDoor();
  equal((await operator.authenticate())?.database, "pgplex");
  for (const [database, refused] of [["app", true], ["pgplex", false]] as const) {
    const { worker, authenticate } = rig({ params: { user: "alice", database } });
    worker.console = new FakeDoor();
    for (let i = 0; i < worker.config.listen.max_client_conn; i++) {
      worker.sessions.add({ i } as unknown as Session);
    }
    if (refused) await rejects(authenticate(), { code: "too_many_clients" });
    else equal((await authenticate())?.database, "pgplex");
  }
});

Deno.test("authenticate negotiates a newer protocol down before anything else", async () => {
  const { client, authenticate } = rig({ minor: 9 });
  await authenticate();
  deepEqual(client.said().map(({ type, negotiated }) => [type, negotiated?.version]), [["v", 0x0003_0002]]);
});

Deno.test("authenticate takes the right md5 answer, which gives the credentials for servers", async () => {
  const it = rig({ type: "md5" });
  const result = it.authenticate();
  const { auth } = await asked(it);
  equal(auth!.code, 5);
  it.client.stream.say(frontend.password(md5Password("alice", "hunter2", auth!.data)));
  deepEqual([(await result)?.credentials.password, (await result)?.admission], ["hunter2", OK]);
});

Deno.test("authenticate goes through the same messages for a wrong password and an unknown user", async () => {
  for (const params of [{ user: "alice" }, { user: "nobody" }] as Record<string, string>[]) {
    const it = rig({ type: "md5", params });
    const result = it.authenticate();
    equal((await asked(it)).auth!.code, 5);
    it.client.stream.say(frontend.password("md500000000000000000000000000000000"));
    await rejects(result, {
      code: "invalid_password",
      message: `password authentication failed for user "${params.user}"`,
    });
  }
});

Deno.test("authenticate goes through SCRAM, and its last word stands before AuthenticationOk", async () => {
  const it = rig({ type: "scram-sha-256" });
  const result = it.authenticate();
  const scram = new ScramClient("hunter2");
  equal((await asked(it)).auth!.code, 10);
  it.client.stream.say(frontend.saslInitialResponse("SCRAM-SHA-256", scram.first()));
  const challenge = await asked(it);
  equal(challenge.auth!.code, 11);
  it.client.stream.say(frontend.saslResponse(scram.final(new TextDecoder().decode(challenge.auth!.data))));
  const { admission } = (await result)!;
  const final = admission.subarray(0, admission.length - OK.length);
  deepEqual([final[0], final[8]], [0x52, 12]);
  scram.verify(new TextDecoder().decode(final.subarray(9)));
  deepEqual(admission.subarray(-OK.length), OK);
});

Deno.test("authenticate ends with whoever says anything but a password", async () => {
  for (const [type, kind] of [["md5", "password"], ["scram-sha-256", "SASL"]] as const) {
    const it = rig({ type });
    const result = it.authenticate();
    await asked(it);
    it.client.stream.say(Uint8Array.of(0x51)); // of a message that never comes whole
    await rejects(result, {
      code: "protocol_violation",
      message: `expected ${kind} response, got message type 81`,
    });
  }
});

Deno.test("authenticate takes an impossible length for a failed attempt in SASL, and closes on it in md5", async () => {
  for (
    const [type, code] of [["md5", "protocol_violation"], ["scram-sha-256", "invalid_password"]] as const
  ) {
    const it = rig({ type });
    const result = it.authenticate();
    await asked(it);
    it.client.stream.say(Uint8Array.of(0x70, 0x7f, 0, 0, 0));
    await rejects(result, { code });
  }
});

Deno.test("authenticate resolves with null for a client that leaves at the question", async () => {
  for (const said of [[], [Uint8Array.of(0x70, 0, 0)]]) {
    const it = rig({ type: "md5" });
    const result = it.authenticate();
    await asked(it);
    it.client.stream.say(...said);
    it.client.stream.end();
    equal(await result, null);
  }
});
