import assert from "node:assert/strict";
import { freePort, makeCerts, pgplexCommand, startEtcdCluster, tempDir } from "../harness/mod.ts";

/** Runs pgplex with `--check` on a configuration with this part. */
async function check(coordination: string): Promise<{ code: number; stdout: string; stderr: string }> {
  await using dir = await tempDir();
  const path = `${dir.path}/pgplex.yaml`;
  const text = `clusters: { main: { nodes: [{ name: a, host: h }] } }\nstate_file: state\n${coordination}`;
  await Deno.writeTextFile(path, text);
  const [command, ...before] = pgplexCommand();
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...before, "--config", path, "--check"],
    env: { PGPLEX_ETCD_PASSWORD: "geheim" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(30_000),
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll(path, "FILE");
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("--check tries each endpoint of etcd, and says in a line what is wrong with it", async () => {
  await using certs = await makeCerts();
  const client = await certs.client("pgplex");
  await using etcd = await startEtcdCluster({ members: 1, tls: { certs, client } });
  const tls = `tls: { ca_file: ${certs.caFile}, cert_file: ${client.certFile}, key_file: ${client.keyFile} }`;
  const good = await check(
    `coordination: { etcd: { endpoints: [${JSON.stringify(etcd.urls[0])}], ${tls} } }`,
  );
  assert.match(
    good.stdout,
    /^FILE: https:\S+: good, etcd 3\.\S+\nFILE: good\n$/,
  );
  assert.equal(good.code, 0);
  assert.match(good.stderr, /^FILE:2:13: state_file is not used while coordination is given.*\n$/);

  const dead = `https://127.0.0.1:${freePort()}`;
  const half = await check(
    `coordination:\n  etcd:\n    endpoints: ["${dead}", "${etcd.urls[0]}"]\n    ${tls}\n`,
  );
  assert.equal(half.code, 1);
  assert.match(half.stderr, /\nFILE:5:16: Cannot use https:\S+: .*refused.*\n$/);
  assert.match(half.stdout, /: good, etcd 3/);
});

Deno.test("--check says that a password is wrong, and shows none", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  for (const user of ["root", "pgplex"]) {
    await etcd.api("auth/user/add", { name: user, password: `other than the one of ${user}` });
  }
  await etcd.api("auth/user/grant", { user: "root", role: "root" });
  await etcd.api("auth/enable");
  const { code, stdout, stderr } = await check(
    `coordination: { etcd: { endpoints: ["${
      etcd.urls[0]
    }"], user: pgplex, password_env: PGPLEX_ETCD_PASSWORD } }`,
  );
  assert.equal(code, 1);
  assert.match(stderr, /Cannot use http:\S+: .*invalid user ID or password/);
  assert.ok(!`${stdout}${stderr}`.includes("geheim"));
});
