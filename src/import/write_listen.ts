import { mayDoWithoutTls } from "../config/mod.ts";
import type { Translation } from "./translation.ts";
import { commaList } from "./values.ts";

/** Where clients connect, and TLS with them. */
export function writeListen(to: Translation): void {
  const address = to.given("listen_addr");
  const listen = to.at(["listen"]);
  if (address === null) {
    listen.comment("PgBouncer without listen_addr listens on its unix socket only.");
    listen.set("address", []);
  } else if (address === "*") to.write(["listen", "address"], "::", "IPv4 too; 0.0.0.0 where IPv6 is off");
  else to.write(["listen", "address"], commaList(address));
  if (to.given("listen_port") === null) listen.set("port", 6432);
  if (to.given("max_client_conn") === null) {
    listen.set("max_client_conn", 100, "PgBouncer's default; pgplex's is 10000");
  }
  writeSocket(to);
  writeTls(to);
}

function writeSocket(to: Translation): void {
  const folder = to.given("unix_socket_dir");
  if (folder === null) return to.at(["listen"]).set("unix_socket_dir", "/tmp", "PgBouncer's default");
  if (folder.startsWith("@")) {
    return to.leave(
      ["listen"],
      "unix_socket_dir",
      folder,
      "sockets in the abstract namespace are not supported",
    );
  }
  to.write(["listen", "unix_socket_dir"], to.file(folder));
}

const TLS_KEYS = ["sslmode", "cert_file", "key_file", "ca_file", "protocols", "ciphers", "tls13_ciphers"]
  .map((name) => name === "tls13_ciphers" ? "client_tls13_ciphers" : `client_tls_${name}`);

function writeTls(to: Translation): void {
  const mode = to.given("client_tls_sslmode") ?? "disable";
  const [cert, key, ca] = ["client_tls_cert_file", "client_tls_key_file", "client_tls_ca_file"].map((name) =>
    to.given(name)
  );
  const path = ["listen", "tls"];
  if (mode === "disable" || !cert || !key) {
    const why = mode === "disable"
      ? "PgBouncer has TLS off: client_tls_sslmode"
      : "TLS needs a certificate and a key";
    for (const key of TLS_KEYS) {
      const value = to.given(key);
      if (value !== null) to.leave(["listen"], key, value, why);
    }
    return;
  }
  const verifies = mode.startsWith("verify");
  const remark = verifies
    ? `${mode}: a certificate that is shown is verified; auth.type cert demands one`
    : "";
  to.write([...path, "mode"], mode === "allow" || mode === "prefer" ? "allow" : "require", remark);
  to.write([...path, "cert_file"], to.file(cert));
  to.write([...path, "key_file"], to.file(key));
  if (ca) {
    const asks = verifies || ["cert", "hba"].includes(to.given("auth_type") ?? "");
    if (asks) to.write([...path, "client_ca_file"], to.file(ca));
    else {to.leave(
        path,
        "client_ca_file",
        to.file(ca),
        `PgBouncer verifies no certificates with sslmode ${mode}`,
      );}
  }
  writeTlsLimits(to, path, "client");
}

/** Protocol versions and ciphers, of either side. */
export function writeTlsLimits(to: Translation, path: string[], side: "client" | "server"): void {
  const key = `${side}_tls_protocols`;
  const protocols = to.given(key);
  if (protocols !== null) writeProtocols(to, path, { key, protocols });
  for (const key of [`${side}_tls_ciphers`, `${side}_tls13_ciphers`]) {
    const ciphers = to.given(key);
    if (ciphers === null) continue;
    to.leave(
      path,
      key,
      ciphers,
      "the TLS library has safe ciphers only: AES-GCM and ChaCha20 with forward secrecy",
    );
  }
}

/** PgBouncer's names, with shortcuts for several; TLS older than 1.2 is spoken by nobody here. */
function writeProtocols(
  to: Translation,
  path: readonly string[],
  { key, protocols }: { readonly key: string; readonly protocols: string },
): void {
  const names = commaList(protocols.replaceAll(":", ",")).map((name) => name.toLowerCase());
  const all = names.some((name) => ["all", "secure", "legacy", "default"].includes(name));
  const kept = ["TLSv1.2", "TLSv1.3"].filter((name) => all || names.includes(name.toLowerCase()));
  const older = names.some((name) => /^(?:tlsv1(?:\.[01])?|all|legacy)$/.test(name));
  if (kept.length > 0) {
    to.write([...path, "protocols"], kept, older ? `${key} = ${protocols}: no older one is spoken` : "");
    return;
  }
  const mode = to.given("server_tls_sslmode") ?? "prefer";
  if (key === "client_tls_protocols" || !older || !mayDoWithoutTls(mode)) {
    return to.leave(path, key, protocols, "TLS 1.2 and 1.3 are spoken, no older one");
  }
  const named = [["TLSv1", /^tlsv1(?:\.0)?$/], ["TLSv1.1", /^tlsv1\.1$/]] as const;
  to.write(
    [...path, "protocols"],
    named.filter(([, is]) => names.some((name) => is.test(name))).map(([name]) => name),
    "none of them is spoken here: connections go without TLS",
  );
}
