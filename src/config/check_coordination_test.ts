import assert from "node:assert/strict";
import { shownSettings } from "./entries.ts";
import { good, MAIN, refuses } from "./parsed_test.ts";

const ETCD = "endpoints: ['http://a:2379', 'http://b:2379']";
const within = (etcd: string, more = "") => `${MAIN}coordination: { etcd: { ${etcd} } ${more} }`;

Deno.test("coordination is null where it is not given, and its keys have defaults where it is", () => {
  assert.equal(good(MAIN).config.coordination, null);
  const { coordination } = good(within("endpoints: http://a:2379")).config;
  assert.deepEqual(coordination, {
    etcd: {
      endpoints: ["http://a:2379"],
      prefix: "/pgplex/",
      tls: { ca_file: null, ca_pem: null, cert_file: null, cert_pem: null, key_file: null, key_pem: null },
      user: null,
      password: null,
      password_file: null,
      password_env: null,
    },
    lease_ttl: 10_000,
    advertise: null,
    failsafe: "off",
  });
});

Deno.test("failover manual and auto go with coordination as with a state file", () => {
  const cluster = "{ nodes: [{ name: a, host: h }], superuser: {}, failover: auto }";
  good(`clusters: { main: ${cluster} }\ncoordination: { etcd: { ${ETCD} } }`);
});

Deno.test("what cannot be in coordination is refused where it stands", () => {
  const cases: [text: string, key: string, message: RegExp][] = [
    [within(""), "etcd.endpoints", /no such key/],
    [within("endpoints: []"), "etcd.endpoints", /at least 1 entry/],
    [within("endpoints: '10.0.0.9:2379'"), "etcd.endpoints", /http:\/\/HOST:PORT.*"10\.0\.0\.9:2379"/],
    [within("endpoints: 'https://:2379'"), "etcd.endpoints", /https:\/\/HOST:PORT/],
    [
      within("endpoints: ['http://a:1', 'http://A:1']"),
      "etcd.endpoints",
      /once: received "http:\/\/A:1" again/,
    ],
    [within("endpoints: ['http://a:1', 'https://b:1']"), "etcd.endpoints", /all https or all http/],
    [within(`${ETCD}, tls: { ca_file: ca.pem }`), "etcd.tls.ca_file", /null while endpoints are http/],
    [within("endpoints: 'https://a:1', tls: { key_file: k }"), "etcd.tls.key_file", /go with cert_file/],
    [within(`${ETCD}, prefix: pgplex/`), "etcd.prefix", /begins with "\/"/],
    [within(`${ETCD}, prefix: /pgplex`), "etcd.prefix", /end with "\/"/],
    [within(`${ETCD}, user: pgplex`), "etcd.user", /have a password/],
    [within(`${ETCD}, password: x`), "etcd.password", /null while user is null/],
    [within(`${ETCD}, user: u, password: x, password_env: Y`), "etcd.password_env", /stand alone/],
    [within(ETCD, ", lease_ttl: 1s"), "lease_ttl", /2s or more/],
    [within(ETCD, ", lease_ttl: 2500ms"), "lease_ttl", /whole seconds/],
    [within(ETCD, ", advertise: 10.0.0.5"), "advertise", /HOST:PORT/],
    [within(ETCD, ", advertise: '0.0.0.0:6432'"), "advertise", /as others reach/],
    [within(ETCD, ", failsafe: on"), "failsafe", /one of off, witness/],
  ];
  for (const [text, key, message] of cases) refuses(text, `coordination.${key}`, message);
});

Deno.test("a state file beside coordination is good, and said to be of no use", () => {
  const { warnings } = good(`${within(ETCD)}\nstate_file: pgplex.state`);
  assert.deepEqual(warnings.map(({ path, line }) => [path, line]), [["state_file", 3]]);
  assert.deepEqual(good(`${MAIN}state_file: pgplex.state`).warnings, []);
});

Deno.test("what is shown of coordination has no password in it", () => {
  const { config } = good(within(`${ETCD}, user: pgplex, password: geheim`));
  const shown = shownSettings(config).filter(({ path }) => path.startsWith("coordination.etcd."));
  assert.equal(shown.find(({ path }) => path === "coordination.etcd.password")?.value, "***");
  assert.ok(!JSON.stringify(shown).includes("geheim"));
});

Deno.test("an endpoint with a password in it is refused without showing it", () => {
  refuses(
    within("endpoints: 'http://root:geheim@a:1'"),
    "coordination.etcd.endpoints",
    /^(?!.*geheim).*not shown/,
  );
});
