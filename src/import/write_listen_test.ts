import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import has TLS where PgBouncer has it", async () => {
  const files = "client_tls_cert_file = c.pem\nclient_tls_key_file = k.pem\nclient_tls_ca_file = ca.pem\n";
  equal((await imported(`[pgbouncer]\n${files}`)).config.listen.tls, null);
  const { config } = await imported(
    `[databases]\na = host=h\n[pgbouncer]\n${files}client_tls_sslmode = verify-full\nserver_tls_sslmode = verify-ca\nserver_tls_ca_file = /ca\n`,
  );
  const { mode, cert_file, client_ca_file } = config.listen.tls!;
  deepEqual([mode, cert_file, client_ca_file], ["require", "/run/c.pem", "/run/ca.pem"]);
  const { tls } = config.clusters.get("main")!;
  deepEqual([tls.mode, tls.ca_file], ["verify-ca", "/ca"]);
});

Deno.test("an import takes * for all addresses, and leaves TLS out where PgBouncer has it off", async () => {
  const { config, yaml } = await imported(
    "[pgbouncer]\nlisten_addr = *\nclient_tls_ca_file = /ca\nunix_socket_dir = @x\n",
  );
  deepEqual([config.listen.address, config.listen.tls], [["::"], null]);
  match(yaml, /# client_tls_ca_file = \/ca: PgBouncer has TLS off/);
  match(yaml, /# unix_socket_dir = @x: sockets in the abstract namespace/);
});

Deno.test("an import has the versions of TLS that both know", async () => {
  for (
    const [given, expected] of [
      ["secure", ["TLSv1.2", "TLSv1.3"]],
      ["tlsv1.1,tlsv1.3", ["TLSv1.3"]],
      [
        "all",
        ["TLSv1.2", "TLSv1.3"],
      ],
      ["tlsv1.0", ["TLSv1"]],
      ["tlsv1.0:tlsv1.1", ["TLSv1", "TLSv1.1"]],
    ] as const
  ) {
    const { config } = await imported(
      `[databases]\na = host=h\n[pgbouncer]\nserver_tls_protocols = ${given}\n`,
    );
    deepEqual(config.clusters.get("main")!.tls.protocols, expected);
  }
  const needed = "server_tls_protocols = tlsv1.0\nserver_tls_sslmode = require";
  match(
    (await imported(`[databases]\na = host=h\n[pgbouncer]\n${needed}\n`)).yaml,
    /# server_tls_protocols = tlsv1.0: TLS 1.2/,
  );
});
