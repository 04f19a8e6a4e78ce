import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { formatProblems } from "./problem.ts";
import { parseConfig } from "./parse.ts";

Deno.test("parseConfig warns of what means something else to PgBouncer and libpq, and takes it", () => {
  const text =
    "pool:\n  query_timeout: 20\n  pin_timeout: 0\nclusters: { main: { nodes: [{ name: a, host: 'db1,db2' }] } }\n";
  const parsed = parseConfig(text, { file: "f" });
  ok("config" in parsed);
  deepEqual(parsed.config.pool.query_timeout, 20_000);
  deepEqual(formatProblems(parsed.warnings).split("\n"), [
    "f:2:18: pool.query_timeout has no unit: 20 is taken for 20s, as PgBouncer would",
    'f:4:46: "db1,db2" is taken for the name of one server: give each its own entry in nodes',
  ]);
});

Deno.test("parseConfig has no warning for a usual file", () => {
  const parsed = parseConfig("clusters: { main: { nodes: [{ name: a, host: db1 }] } }", { file: "f" });
  ok("config" in parsed);
  deepEqual(parsed.warnings, []);
});

Deno.test("parseConfig warns of passwords in clear where TLS is not required", () => {
  const text = "clusters: { main: { nodes: [{ name: a, host: db1 }] } }\nauth: { type: plain }\n";
  const warnings = (more: string) => {
    const parsed = parseConfig(text + more, { file: "f" });
    ok("config" in parsed);
    return parsed.warnings.map(({ path }) => path);
  };
  deepEqual(warnings(""), ["auth.type"]);
  deepEqual(warnings("listen: { tls: { mode: require, cert_file: c, key_file: k } }\n"), []);
});

Deno.test("parseConfig warns of a lookup_database in which nobody can be looked up", () => {
  const warned = (rest: string) => {
    const parsed = parseConfig(`clusters: { main: { nodes: [{ name: a, host: db1 }] } }\n${rest}\n`, {
      file: "f",
    });
    ok("config" in parsed);
    return parsed.warnings.map(({ message }) => message);
  };
  const routing = (more: string) =>
    `routing: { ${more}databases: { app: { cluster: main, lookup_database: pgplex } } }`;
  deepEqual(warned(routing("")), ['"pgplex" is the console: whoever is in no list is refused']);
  for (const name of ["users@main", "users@main@main"]) {
    deepEqual(warned(`auth: { lookup_database: ${name} }`), []);
  }
  for (const name of ["users", "users@other"]) {
    deepEqual(warned(`auth: { lookup_database: ${name} }`), [
      `"${name}" leads nowhere: whoever is in no list is refused`,
    ]);
  }
  deepEqual(warned("auth: { lookup_database: users }\nrouting: { default_cluster: main }"), []);
  deepEqual(
    warned('auth: { lookup_database: users }\nrouting: { databases: { "*": { cluster: main } } }'),
    [],
  );
});
