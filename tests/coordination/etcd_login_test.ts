import assert from "node:assert/strict";
import { CutWire } from "../harness/cut_wire.ts";
import { base64, type EtcdCluster, makeCerts, startEtcdCluster } from "../harness/mod.ts";
import { check, done, eventually, openStore, Watched } from "./store_rig.ts";

const PASSWORD = "geheim-und-lang";

/** The user `pgplex` with the rights that docs/COORDINATION.md says, and a root; then etcd asks for users. */
async function enableUsers(etcd: EtcdCluster): Promise<void> {
  for (const [user, password] of [["root", "root"], ["pgplex", PASSWORD]] as const) {
    await etcd.api("auth/user/add", { name: user, password });
    await etcd.api("auth/role/add", { name: user });
    await etcd.api("auth/user/grant", { user, role: user });
  }
  await etcd.api("auth/role/grant", {
    name: "pgplex",
    perm: { permType: "READWRITE", key: base64("/pgplex/"), range_end: base64("/pgplex0") },
  });
  await etcd.api("auth/enable");
}

async function rootToken(etcd: EtcdCluster): Promise<string> {
  return (await etcd.api("auth/authenticate", { name: "root", password: "root" })).token;
}

Deno.test("TLS with client certificates, by name and by address", async () => {
  await using certs = await makeCerts();
  const client = await certs.client("pgplex");
  await using etcd = await startEtcdCluster({ members: 1, tls: { certs, client } });
  const { port } = etcd.members[0]!;
  const pems = { ca: certs.ca, cert: client.cert, key: client.key };
  for (const host of ["localhost", "127.0.0.1"]) {
    await using store = await openStore({ endpoints: [`https://${host}:${port}`], ...pems });
    const watched = new Watched(store, "");
    done(await store.commit([], [{ kind: "put", key: host, value: "x".repeat(100_000) }]));
    await watched.until("the change", () => watched.value(host)?.length === 100_000);
  }
});

Deno.test("the common name of the client certificate is the user where none is given", async () => {
  await using certs = await makeCerts();
  const client = await certs.client("pgplex");
  await using etcd = await startEtcdCluster({ members: 1, tls: { certs, client } });
  await enableUsers(etcd);
  const given = { endpoints: etcd.urls, ca: certs.ca, cert: client.cert, key: client.key };
  await using store = await openStore(given);
  done(await store.commit([], [{ kind: "put", key: "a", value: "1" }]));
  await using outside = await openStore({ ...given, prefix: "/other/" });
  const refused = await outside.list("");
  assert.match(refused.kind === "failed" ? refused.reason : "", /permission denied/);
});

Deno.test("of a member whose certificate does not fit, or that takes ours for none, the reason is told", async () => {
  await using certs = await makeCerts();
  await using others = await makeCerts();
  const client = await certs.client("pgplex");
  const stranger = await others.client("pgplex");
  await using etcd = await startEtcdCluster({ members: 1, tls: { certs, client } });
  const { port } = etcd.members[0]!;
  using wire = new CutWire(port, { hostname: "127.0.0.2" });
  const secure = `https://127.0.0.1:${port}`;
  const good = { ca: certs.ca, cert: client.cert, key: client.key };
  const cases: [given: Parameters<typeof check>[0], problem: RegExp][] = [
    [{ endpoints: [secure], ...good }, /^null$/],
    [{ endpoints: [secure], ...good, ca: others.ca }, /unable to verify/],
    [
      { endpoints: [`https://127.0.0.2:${wire.port}`], ...good },
      /IP: 127\.0\.0\.2 is not in the cert's list/,
    ],
    [{ endpoints: [secure], ca: certs.ca }, /ertificate.*does it want a client certificate/],
    [
      { endpoints: [secure], ca: certs.ca, cert: stranger.cert, key: stranger.key },
      /(?:ertificate|CA).*does it trust the authority/,
    ],
    [{ endpoints: [`http://127.0.0.1:${port}`] }, /without an answer.*does it want https/],
  ];
  for (const [given, problem] of cases) {
    const [checked] = await check(given);
    assert.match(String(checked!.problem), problem, `${given.endpoints}: ${checked!.problem}`);
    await using store = await openStore(given);
    const answer = await store.list("");
    assert.equal(answer.kind, checked!.problem === null ? "done" : "failed", JSON.stringify(answer));
  }
});

Deno.test("a user with its password is let in, with rights to its prefix alone, and a wrong one is told so", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await enableUsers(etcd);
  const given = { endpoints: etcd.urls, user: "pgplex", password: PASSWORD };
  await using store = await openStore(given);
  done(
    await store.commit([{ key: "leader", createRevision: 0 }], [{ kind: "put", key: "leader", value: "1" }]),
  );
  const watched = new Watched(store, "");
  await watched.until("the key", () => watched.value("leader") === "1");
  done(await store.commit([], [{ kind: "remove", key: "leader" }], ["leader"]));
  await watched.until("the key to go", () => watched.last!.entries.size === 0);

  await using outside = await openStore({ ...given, prefix: "/other/" });
  const refused = await outside.commit([], [{ kind: "put", key: "a", value: "" }]);
  assert.equal(refused.kind, "failed");
  assert.match(refused.kind === "failed" ? refused.reason : "", /permission denied/);

  const wrong = await openStore({ ...given, password: `not ${PASSWORD}` });
  const answer = await wrong.list("");
  await wrong.close();
  assert.match(answer.kind === "failed" ? answer.reason : "", /invalid user ID or password/);
  assert.ok(!JSON.stringify([answer, refused]).includes(PASSWORD));
  const [none] = await check({ endpoints: etcd.urls });
  assert.match(none!.problem!, /user name is empty/);
});

Deno.test("a token that dies with its member is had anew, by calls and by a watch", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await enableUsers(etcd);
  await using store = await openStore({ endpoints: etcd.urls, user: "pgplex", password: PASSWORD });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  const [member] = etcd.members;
  // Its tokens are in its memory.
  await member!.stop();
  await member!.start();
  await eventually("a write", () => store.commit([], [{ kind: "put", key: "a", value: "1" }]));
  await watched.until("the change", () => watched.value("a") === "1");
});

Deno.test("a token that ends while nothing is called is had anew without a failure, and one whose rights changed too", async () => {
  await using etcd = await startEtcdCluster({ members: 1, args: ["--auth-token-ttl=1"] });
  await enableUsers(etcd);
  await using store = await openStore({ endpoints: etcd.urls, user: "pgplex", password: PASSWORD });
  done(await store.list(""));
  const untilMs = performance.now() + 2_500;
  await eventually("the token to end", async () => {
    // The gateway's own token is another one.
    const isOver = performance.now() > untilMs;
    return await Promise.resolve(isOver ? { kind: "done", value: null } : { kind: "failed", reason: "" });
  });
  done(await store.commit([], [{ kind: "put", key: "a", value: "1" }]));
  await etcd.api("auth/role/add", { name: "another" }, await rootToken(etcd));
  done(await store.commit([], [{ kind: "put", key: "a", value: "2" }]));
});

Deno.test("etcd that asks for no users takes one all the same", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await using store = await openStore({ endpoints: etcd.urls, user: "pgplex", password: PASSWORD });
  done(await store.commit([], [{ kind: "put", key: "a", value: "1" }]));
  const [checked] = await check({ endpoints: etcd.urls, user: "pgplex", password: PASSWORD });
  assert.equal(checked!.problem, null);
  assert.match(checked!.version!, /^3\.\d+\.\d+$/);
});
