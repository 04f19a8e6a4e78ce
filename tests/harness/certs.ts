import { run, tempDir } from "../../tools/embedded/mod.ts";
import { requireProgram } from "./clients.ts";

/** A certificate and its key: PEM files, and their text. */
export interface CertPair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority for tests, and what it signed. Made by {@link makeCerts}; its folder is removed at the end. */
export interface Certs extends AsyncDisposable {
  readonly dir: string;
  readonly caFile: string;
  readonly ca: string;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: CertPair;
  /** A client certificate whose common name is `user`. */
  client(user: string): Promise<CertPair>;
}

/** Makes an authority and a server certificate, valid for two days, by calling openssl. */
export async function makeCerts(): Promise<Certs> {
  await requireProgram("openssl", "OpenSSL (Debian and Ubuntu: openssl)");
  const folder = await tempDir("pgplex-certs-");
  const dir = folder.path;
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const openssl = (...args: string[]) => run("openssl", { args, cwd: dir });

  async function issue(file: string, name: string, extensions: string): Promise<CertPair> {
    await openssl(
      "req",
      "-new",
      ...newKey,
      "-keyout",
      `${file}.key`,
      "-out",
      `${file}.csr`,
      "-subj",
      `/CN=${name}`,
    );
    await Deno.writeTextFile(`${dir}/${file}.ext`, extensions);
    const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    const request = ["-in", `${file}.csr`, "-out", `${file}.crt`, "-extfile", `${file}.ext`, "-days", "2"];
    await openssl("x509", "-req", ...authority, ...request);
    const [certFile, keyFile] = [`${dir}/${file}.crt`, `${dir}/${file}.key`];
    return {
      certFile,
      keyFile,
      cert: await Deno.readTextFile(certFile),
      key: await Deno.readTextFile(keyFile),
    };
  }

  await openssl(
    ...[
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      "ca.key",
      "-out",
      "ca.crt",
      "-days",
      "2",
      "-subj",
      "/CN=pgplex test CA",
    ],
  );
  const caFile = `${dir}/ca.crt`;
  let serial = 0;
  return {
    dir,
    caFile,
    ca: await Deno.readTextFile(caFile),
    server: await issue("server", "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n"),
    client: (user) => issue(`client${++serial}`, user, "extendedKeyUsage=clientAuth\n"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
