import assert from "node:assert/strict";
import {
  freePort,
  makeCerts,
  type PgplexProcess,
  type PostgresNode,
  run,
  startPgplex,
  startPostgres,
  tempDir,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { one } from "../harness/served.ts";
import { Browser } from "./browser.ts";

const HTTP = freePort();
const WATCHER = { authorization: `Basic ${btoa("watcher:looks")}` };
/** A whole text can be compared, and is read to its end. */
type Answered = { status: number; text: string; headers: Headers };

async function get(path: string, headers: Record<string, string> = {}, port = HTTP): Promise<Answered> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** The value of one sample. */
function sample(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  assert.ok(line !== undefined, `no sample ${name}`);
  return Number(line.slice(name.length + 1));
}

function configOf(node: PostgresNode, more: Record<string, unknown> = {}): Record<string, unknown> {
  const { port } = node;
  return {
    auth: { users: { postgres: "postgres", watcher: "looks", app: "looks" } },
    routing: { default_cluster: "main" },
    clusters: {
      main: {
        nodes: [{ name: "main-1", host: "127.0.0.1", port }],
        superuser: { password: "postgres" },
      },
    },
    monitor: { interval: "100ms", failure_timeout: "500ms" },
    console: { admin_users: ["postgres"], stats_users: ["watcher"] },
    http: { port: HTTP },
    ...more,
  };
}

let node: PostgresNode;
let pgplex: PgplexProcess;
Deno.test.beforeAll(async () => {
  node = await startPostgres({ major: 18 });
  pgplex = await startPgplex({ config: configOf(node) });
  await waitFor(async () => (await get("/health/ready")).status === 200, { what: "pgplex to be ready" });
});
Deno.test.afterAll(async () => {
  await pgplex[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
  assert.doesNotMatch(pgplex.log, /internal error/);
});

const connect = (database = "postgres") =>
  WireClient.connect(pgplex, { user: "postgres", password: "postgres", database });

Deno.test("nothing but health is shown to who is no user of the console, and all of it to who is", async () => {
  const wrong = { authorization: `Basic ${btoa("watcher:guesses")}` };
  const other = { authorization: `Basic ${btoa("app:looks")}` };
  // Who was right once is not turned away where others guess.
  assert.equal((await get("/metrics", WATCHER)).status, 200);
  for (const path of ["/", "/status.json", "/metrics", "/nothing"]) {
    for (const headers of [{}, wrong, other]) {
      const { status, text, headers: answered } = await get(path, headers);
      assert.equal(status, 401, path);
      assert.match(answered.get("www-authenticate") ?? "", /^Basic realm="pgplex"/);
      assert.doesNotMatch(text, /main/);
      // More than five wrong passwords in a second are turned away.
      await waitFor(async () => (await get(path, wrong)).status === 401, { what: "another second" });
    }
    assert.equal((await get(path, WATCHER)).status, path === "/nothing" ? 404 : 200, path);
  }
  assert.deepEqual([(await get("/health/live")).text, (await get("/health/ready")).text], [
    "live\n",
    "ready\n",
  ]);
  const posted = await fetch(`http://127.0.0.1:${HTTP}/metrics`, { method: "POST", headers: WATCHER });
  assert.equal(posted.status, 405);
  await posted.body?.cancel();
});

Deno.test("/metrics counts what clients do, in both forms, and promtool takes it", async () => {
  await using client = await connect();
  for (let i = 0; i < 5; i++) await one(client, "SELECT 1");
  await one(client, "SELECT pg_sleep(0.5)");
  await one(client, "CREATE TEMP TABLE kept (n int)");
  const wanted = 'pgplex_pinned_sessions{reason="temporary object"}';
  await waitFor(async () => (await get("/metrics", WATCHER)).text.includes(wanted), { what: "a pin" });
  const { text, headers } = await get("/metrics", WATCHER);
  assert.equal(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(sample(text, wanted), 1);
  const pool = '{database="postgres",user="postgres"}';
  assert.equal(sample(text, `pgbouncer_pools_client_active_connections${pool}`), 1);
  assert.equal(sample(text, `pgplex_pool_pinned_clients${pool}`), 1);
  const stats = '{database="postgres"}';
  assert.ok(sample(text, `pgbouncer_stats_sql_transactions_pooled_total${stats}`) >= 7);
  const main = '{cluster="main"}';
  assert.equal(sample(text, `pgplex_cluster_serving${main}`), 1);
  assert.equal(sample(text, 'pgplex_node_primary{cluster="main",node="main-1"}'), 1);
  const [, alone] = /^pgplex_instance_there(\{id="1",name="[^"]+"\}) 1$/m.exec(text)!;
  assert.equal(sample(text, `pgplex_instance_leading${alone}`), 1);
  // One that shares nothing has no lease.
  assert.doesNotMatch(text, /^pgplex_instance_lease_seconds\{/m);
  const bucket = (le: string) => sample(text, `pgplex_query_seconds_bucket{cluster="main",le="${le}"}`);
  assert.equal(bucket("+Inf") - bucket("0.256"), 1, "the statement that slept for half a second");
  assert.equal(sample(text, `pgplex_query_seconds_count${main}`), bucket("+Inf"));
  const sum = sample(text, `pgplex_query_seconds_sum${main}`);
  assert.ok(sum >= 0.5 && sum < 10, String(sum));

  const open = await get("/metrics", { ...WATCHER, accept: "application/openmetrics-text; version=1.0.0" });
  assert.equal(
    open.headers.get("content-type"),
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  assert.match(open.text, /^# TYPE pgbouncer_stats_queries_pooled counter$/m);
  assert.ok(open.text.endsWith("\n# EOF\n"));
  // Each sample belongs to the family above it, and no line comes twice.
  let family = "";
  const seen = new Set<string>();
  for (const line of open.text.split("\n").slice(0, -2)) {
    if (line.startsWith("# ")) family = line.split(" ")[2]!;
    else {
      const [, series, name] = /^(([a-z_]+)(?:\{.*\})?) -?[0-9.e+-]+$/.exec(line) ?? [];
      assert.ok(name?.startsWith(family), `${line} under ${family}`);
      assert.ok(!seen.has(series!), `${series} twice`);
      seen.add(series!);
    }
  }
  await checkWithPromtool(text);
});

async function checkWithPromtool(text: string): Promise<void> {
  const found = await run("sh", { args: ["-c", "command -v promtool"] }).then(() => true, () => false);
  if (!found) {
    return console.warn("promtool (Debian: prometheus) is not here: what it says of /metrics is not known");
  }
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/metrics`, text);
  await run("sh", { args: ["-c", `promtool check metrics < ${dir.path}/metrics`] });
}

Deno.test("/health/ready says no while a cluster has no primary, unless it is optional, and live goes on", async () => {
  const gone = freePort();
  const second = { nodes: [{ name: "second-1", host: "127.0.0.1", port: gone }] };
  const http = freePort();
  const config = (optional: string[]) => {
    const base = configOf(node, { http: { port: http, optional_clusters: optional } });
    return { ...base, clusters: { ...base["clusters"] as object, second } };
  };
  await using both = await startPgplex({ config: config([]) });
  const ready = () => get("/health/ready", {}, http);
  await waitFor(async () => (await ready()).text === "not ready: 1 of 2 clusters without a primary\n", {
    what: "one cluster without a primary",
  });
  assert.equal((await ready()).status, 503);
  assert.equal((await get("/health/live", {}, http)).status, 200);
  await both.reload(config(["second"]));
  await waitFor(async () => (await ready().catch(() => null))?.text === "ready\n", {
    what: "ready without it",
  });
});

Deno.test("the endpoint speaks TLS, and a reload opens, moves and closes it", async () => {
  await using certs = await makeCerts();
  const { certFile: cert_file, keyFile: key_file } = certs.server;
  const [first, second] = [freePort(), freePort()];
  const config = (http: object | null) => configOf(node, { http });
  await using served = await startPgplex({ config: config(null) });
  await waitFor(() => served.log.includes("pgplex is ready"), { what: "the start" });
  const secure = Deno.createHttpClient({ caCerts: [certs.ca] });
  try {
    const live = async (url: string) => {
      try {
        const response = await fetch(`${url}/health/live`, { client: secure });
        return await response.text();
      } catch {
        return null;
      }
    };
    await served.reload(config({ port: first, tls: { cert_file, key_file } }));
    await waitFor(async () => await live(`https://localhost:${first}`) === "live\n", { what: "TLS" });
    assert.equal(await live(`http://localhost:${first}`), null);
    await served.reload(config({ port: second }));
    await waitFor(async () => await live(`http://localhost:${second}`) === "live\n", {
      what: "the other port",
    });
    await served.reload(config(null));
    await waitFor(async () => await live(`http://localhost:${second}`) === null, { what: "nothing there" });
  } finally {
    secure.close();
  }
});

Deno.test("an address that is taken is an error at the start", async () => {
  await assert.rejects(
    startPgplex({ config: configOf(node) }),
    new RegExp(`http 127.0.0.1:${HTTP}: .*in use`),
  );
});

Deno.test("the status page shows clusters, waiting and pins as they change, without an error and without the internet", async () => {
  const found = await run("sh", { args: ["-c", "command -v chromium"] }).then(() => true, () => false);
  if (!found) {
    return console.warn("chromium (Debian: chromium) is not here: the status page is not looked at");
  }
  await using browser = await Browser.start();
  await using client = await connect();
  await one(client, "CREATE TEMP TABLE kept (n int)");
  await browser.send("Page.navigate", { url: `http://watcher:looks@127.0.0.1:${HTTP}/` });
  await browser.waitForValue("document.getElementById('state')?.textContent", (text) => text === "ready");
  const shown = () => browser.value("document.body.innerText") as Promise<string>;
  assert.match(await shown(), /main-1/);
  await browser.waitForValue(
    "document.getElementById('pins').innerText",
    (text) => /temporary object/.test(`${text}`),
  );
  const picture = Deno.env.get("PGPLEX_PICTURE");
  if (picture !== undefined) await Deno.writeFile(picture, await browser.picture());
  // It follows by itself.
  await one(client, "DROP TABLE kept");
  await browser.waitForValue("document.getElementById('pins').innerText", (text) => text === "none");
  assert.deepEqual(browser.complaints, []);
});
