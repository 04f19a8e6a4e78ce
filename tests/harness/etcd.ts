import { Daemon, freePort, tempDir } from "../../tools/embedded/mod.ts";
import { requireProgram } from "./clients.ts";

/** A single etcd of one member. Made by {@link startEtcd}. */
export interface EtcdNode extends AsyncDisposable {
  /** The address for clients: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly log: string;
  signal(signal: Deno.Signal): void;
}

/** Starts etcd from PATH on free ports of 127.0.0.1, with its data in a temporary folder. */
export async function startEtcd(): Promise<EtcdNode> {
  await requireProgram("etcd", "etcd (Debian and Ubuntu: etcd-server; Homebrew: etcd)");
  const dir = (await tempDir("pgplex-etcd-")).path;
  const [port, peerPort] = [freePort(), freePort()];
  const [url, peerUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const daemon = await Daemon.start({
    what: "etcd",
    command: "etcd",
    args: [
      ["--name=pgplex", `--data-dir=${dir}/data`, "--unsafe-no-fsync"],
      [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      [`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      [`--initial-cluster=pgplex=${peerUrl}`],
    ].flat(),
    dir,
    ready: async () => {
      const response = await fetch(`${url}/health`).catch(() => null);
      return response !== null && /"true"/.test(await response.text());
    },
  });
  return {
    url,
    port,
    get log() {
      return daemon.log;
    },
    signal: (signal) => daemon.signal(signal),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}
