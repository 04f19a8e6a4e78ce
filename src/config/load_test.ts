import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { LiveConfig } from "./live.ts";
import { loadConfig, type LoadSources } from "./load.ts";
import { formatProblem } from "./problem.ts";

const MAIN = "clusters: { main: { nodes: [{ name: a, host: db1 }] } }\n";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";

const ANY_CERTIFICATES = { certificatesProblem: () => null, keyPairProblem: () => null };

class NotFound extends Error {
  override name = "NotFound";
}

function load(
  yaml: string | Uint8Array,
  files: Record<string, string | Uint8Array> = {},
  env: Record<string, string> = {},
  sources: Pick<LoadSources, "certificatesProblem" | "keyPairProblem"> = ANY_CERTIFICATES,
) {
  const all: Record<string, string | Uint8Array> = { "/etc/pgplex/pgplex.yaml": yaml, ...files };
  const readBytes = (path: string) => {
    const file = all[path];
    if (file === undefined) throw new NotFound(`No such file: readfile '${path}'`);
    return typeof file === "string" ? new TextEncoder().encode(file) : file;
  };
  return loadConfig("/etc/pgplex/pgplex.yaml", { ...sources, readBytes, env: (name) => env[name] });
}

async function good(...args: Parameters<typeof load>) {
  const loaded = await load(...args);
  ok("config" in loaded, "problems" in loaded ? loaded.problems.map(formatProblem).join("\n") : "");
  return loaded.config;
}

async function bad(...args: Parameters<typeof load>): Promise<string[]> {
  const loaded = await load(...args);
  ok("problems" in loaded);
  return loaded.problems.map(formatProblem);
}

Deno.test("loadConfig fills secrets in from files beside the configuration and from the environment", async () => {
  const config = await good(
    `clusters:
  main:
    nodes: [{ name: a, host: db1 }]
    superuser: { password_file: secrets/pg }
auth:
  users:
    alice: direct
    bob: { password_file: /run/bob }
    carl: { password_env: CARL }
`,
    { "/etc/pgplex/secrets/pg": "super\n", "/run/bob": "bob's \r\n" },
    { CARL: "carl" },
  );
  equal(config.clusters.get("main")!.superuser!.password!.reveal(), "super");
  const passwords = [...config.auth.users].map(([name, user]) => [name, user.password?.reveal()]);
  deepEqual(passwords, [["alice", "direct"], ["bob", "bob's "], ["carl", "carl"]]);
});

Deno.test("loadConfig adds the users of users_file, and the YAML's entry stays", async () => {
  const config = await good(
    MAIN + "auth: { users: { alice: yaml }, users_file: userlist.txt }",
    { "/etc/pgplex/userlist.txt": '"alice" "list"\n"bob" "list"\n"nobody" ""\n' },
  );
  equal(config.auth.users.get("alice")!.password!.reveal(), "yaml");
  equal(config.auth.users.get("bob")!.password!.reveal(), "list");
  equal(config.auth.users.get("nobody")!.password, null);
});

Deno.test("LiveConfig lets auth.type be SET though users_file has users who cannot log in that way, as a file may", async () => {
  for (const type of ["md5", "scram-sha-256", "plain"]) {
    const yaml = (auth: string) => MAIN + `auth: { type: ${auth}, users_file: list.txt }`;
    const files = { "/etc/pgplex/list.txt": '"nobody" ""\n"old" "md5d41d8cd98f00b204e9800998ecf8427e"\n' };
    const loaded = await load(yaml("trust"), files);
    ok("config" in loaded);
    equal(new LiveConfig(loaded).set(["auth", "type"], type).effective.auth.type, type);
    equal((await good(yaml(type), files)).auth.type, type);
  }
});

Deno.test("loadConfig reads certificates and keys", async () => {
  const config = await good(
    `clusters:
  main:
    nodes: [{ name: a, host: db1 }]
    tls: { mode: verify-full, ca_file: ca.pem }
listen: { tls: { mode: require, cert_file: s.crt, key_file: s.key, client_ca_file: ca.pem } }
auth: { type: cert }
`,
    { "/etc/pgplex/ca.pem": CERTIFICATE, "/etc/pgplex/s.crt": CERTIFICATE, "/etc/pgplex/s.key": KEY },
  );
  equal(config.listen.tls!.cert_pem, CERTIFICATE);
  equal(config.listen.tls!.key_pem.reveal(), KEY);
  equal(config.listen.tls!.client_ca_pem, CERTIFICATE);
  equal(config.clusters.get("main")!.tls.ca_pem, CERTIFICATE);
  equal(config.clusters.get("main")!.tls.key_pem, null);
});

Deno.test("loadConfig reports every source that cannot be used, at the key that names it", async () => {
  const problems = await bad(
    MAIN + `auth:
  users_file: userlist.txt
  users:
    a: { password_file: missing }
    b: { password_env: UNSET }
    c: { password_file: empty }
    d: { password_env: MD5 }
listen: { tls: { cert_file: s.key, key_file: locked.key } }
`,
    {
      "/etc/pgplex/empty": "\n",
      "/etc/pgplex/userlist.txt": '"a" "b"\nhunter2\n',
      "/etc/pgplex/s.key": KEY,
      "/etc/pgplex/locked.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    },
    { MD5: "md5d41d8cd98f00b204e9800998ecf8427e" },
  );
  const places = problems.map((text) => text.slice(0, text.indexOf(": ")));
  const file = "/etc/pgplex/pgplex.yaml";
  deepEqual(
    places.toSorted(),
    [
      `${file}:5:25`,
      `${file}:6:24`,
      `${file}:7:25`,
      `${file}:8:24`,
      `${file}:9:29`,
      `${file}:9:46`,
      "/etc/pgplex/userlist.txt:2:1",
    ].toSorted(),
  );
  ok(!problems.join().includes("hunter2"));
});

Deno.test("loadConfig reports mistakes and missing files at once, in the order of the text", async () => {
  const problems = await bad(
    MAIN + `auth:
  type: scrum
  users: { a: { password_file: md5 }, b: { password_file: 3 }, c: { password_file: missing } }
  users_file: userlist.txt
pool: { query_timeout: 5 s }
listen: { tls: { cert_file: missing.crt, key_file: [] } }
`,
    { "/etc/pgplex/md5": "md5d41d8cd98f00b204e9800998ecf8427e", "/etc/pgplex/userlist.txt": "hunter2\n" },
  );
  const file = "/etc/pgplex/pgplex.yaml";
  deepEqual(problems.map((text) => text.slice(0, text.indexOf(": "))), [
    `${file}:3:9`, // type
    `${file}:4:59`, // b, and nothing of a: whether it serves depends on the type
    `${file}:4:84`, // c
    `${file}:6:24`, // query_timeout
    `${file}:7:29`, // cert_file
    `${file}:7:52`, // key_file
    "/etc/pgplex/userlist.txt:1:1",
  ]);
});

Deno.test("loadConfig shows no password that stands where the name of a file or variable belongs", async () => {
  const problems = await bad(
    MAIN + "auth: { users: { a: { password_file: hunter2 }, b: { password_env: hunter3 } } }",
  );
  equal(problems.length, 2);
  ok(!/hunter/.test(problems.join()), problems.join("\n"));
});

Deno.test("loadConfig reports a configuration file that cannot be read", async () => {
  const loaded = await loadConfig("nowhere.yaml", {
    readBytes: () => Promise.reject(new NotFound("x")),
    env: () => undefined,
    ...ANY_CERTIFICATES,
  });
  ok("problems" in loaded);
  equal(
    formatProblem(loaded.problems[0]!),
    "nowhere.yaml: Cannot use the configuration file as it must be readable: received no such file",
  );
});

Deno.test("loadConfig reports certificates that cannot be read, and a key that does not fit, at their keys", async () => {
  const problems = await bad(
    `clusters:
  main:
    nodes: [{ name: a, host: db1 }]
    tls: { mode: verify-ca, ca_file: junk.pem, cert_file: s.crt, key_file: s.key }
listen: { tls: { cert_file: junk.pem, key_file: s.key, client_ca_file: junk.pem } }
`,
    {
      "/etc/pgplex/junk.pem": `${CERTIFICATE}junk`,
      "/etc/pgplex/s.crt": CERTIFICATE,
      "/etc/pgplex/s.key": KEY,
    },
    {},
    {
      certificatesProblem: (pem) => pem.endsWith("junk") ? "a certificate cannot be read" : null,
      keyPairProblem: (cert, key) => cert === CERTIFICATE && key === KEY ? "the key is another's" : null,
    },
  );
  const cannot = "as it must name a file that can be used: received /etc/pgplex";
  deepEqual(problems, [
    `/etc/pgplex/pgplex.yaml:4:38: Cannot use clusters.main.tls.ca_file ${cannot}/junk.pem, but a certificate cannot be read`,
    `/etc/pgplex/pgplex.yaml:4:76: Cannot use clusters.main.tls.key_file ${cannot}/s.key, but the key is another's`,
    `/etc/pgplex/pgplex.yaml:5:29: Cannot use listen.tls.cert_file ${cannot}/junk.pem, but a certificate cannot be read`,
    `/etc/pgplex/pgplex.yaml:5:72: Cannot use listen.tls.client_ca_file ${cannot}/junk.pem, but a certificate cannot be read`,
  ]);
});

Deno.test("loadConfig reports bytes that are not UTF-8, but where people write beside certificates", async () => {
  const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const [first, second] = await bad(
    MAIN + "auth: { users_file: userlist.txt, users: { a: { password_file: a } } }",
    { "/etc/pgplex/userlist.txt": latin1('"a" "ä"\n"b" "\xfc"\n'), "/etc/pgplex/a": latin1("p\xe4ss\n") },
  );
  const at = "/etc/pgplex/pgplex.yaml:2";
  equal(
    first,
    `${at}:21: Cannot use auth.users_file as it must name a file that can be read: ` +
      "received bytes that are not UTF-8 in line 1 for /etc/pgplex/userlist.txt",
  );
  equal(
    second,
    `${at}:64: Cannot use auth.users.a.password_file as it must name a file that can be read: ` +
      "received bytes that are not UTF-8 in line 1",
  );
  deepEqual(await bad(latin1(`${MAIN}# fine\n# nicht sch\xf6n\n`)), [
    "/etc/pgplex/pgplex.yaml: Cannot use the configuration file as it must be readable: " +
    "received bytes that are not UTF-8 in line 3",
  ]);
  const config = await good(
    MAIN.replace("] }", "], tls: { ca_file: ca } }"),
    { "/etc/pgplex/ca": latin1(`# Zo\xeb\n${CERTIFICATE}`) },
  );
  ok(config.clusters.get("main")!.tls.ca_pem!.endsWith(CERTIFICATE));
});

Deno.test("loadConfig reads keys of included files as if they stood in the first one", async () => {
  const config = await good(MAIN + "include: [users.yaml, /etc/other.yaml]\nauth: { type: md5 }\n", {
    "/etc/pgplex/users.yaml": "auth: { users: { alice: &a secret, bob: *a } }\n",
    "/etc/other.yaml": "clusters:\n  more: { nodes: [{ name: b, host: db2 }] }\n",
  });
  deepEqual([...config.auth.users].map(([name, { password }]) => [name, password?.reveal()]), [
    ["alice", "secret"],
    ["bob", "secret"],
  ]);
  deepEqual([config.auth.type, [...config.clusters.keys()]], ["md5", ["main", "more"]]);
});

Deno.test("loadConfig says in which included file and line a mistake is", async () => {
  const files = {
    "/etc/pgplex/a.yaml": "# first\npool: { query_timeout: soon }\n",
    "/etc/pgplex/b.yaml": "\n\npool: { nonsense: 1 }\nauth: { users: { a: { password_file: none } } }\n",
  };
  deepEqual(
    (await bad(MAIN + "include: [a.yaml, b.yaml]\n", files)).map((text) => text.slice(0, text.indexOf(": "))),
    [
      "/etc/pgplex/a.yaml:2:24",
      "/etc/pgplex/b.yaml:3:9",
      "/etc/pgplex/b.yaml:4:38",
    ],
  );
});

Deno.test("loadConfig refuses a key that stands in two files, a file that is no mapping, and one that is not there", async () => {
  const [twice] = await bad(MAIN + "include: a.yaml\nauth: { type: md5 }\n", {
    "/etc/pgplex/a.yaml": "auth: { type: trust }\n",
  });
  equal(
    twice,
    "/etc/pgplex/a.yaml:1:9: Cannot read the YAML: this key stands in another file too; expected each key once",
  );
  ok(
    /a\.yaml:1:1: .*must be a mapping/.test(
      (await bad(MAIN + "include: a.yaml\n", { "/etc/pgplex/a.yaml": "- x\n" }))[0]!,
    ),
  );
  ok(
    /Cannot use \/etc\/pgplex\/a\.yaml, which is included/.test((await bad(MAIN + "include: a.yaml\n"))[0]!),
  );
});
