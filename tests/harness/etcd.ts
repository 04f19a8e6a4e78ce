import { Daemon, freePort, LOOPBACK, type Place, removeAll, tempDir } from "../../tools/embedded/mod.ts";
import type { CertPair, Certs } from "./certs.ts";
import { requireProgram } from "./clients.ts";

/** One member of an {@link EtcdCluster}. */
export interface EtcdMember {
  /** The address for clients: `http://127.0.0.1:PORT` where it was given no place. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What it wrote since its last start. */
  readonly log: string;
  signal(signal: Deno.Signal): void;
  /** Ends it, by SIGTERM unless said. Its data stay. */
  stop(signal?: Deno.Signal): Promise<void>;
  /** Starts it again behind {@link stop}. */
  start(): Promise<void>;
}

/** An etcd of one member. Made by {@link startEtcd}. */
export type EtcdNode = EtcdMember & AsyncDisposable;

/** An etcd of several members. Made by {@link startEtcdCluster}. */
export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly urls: readonly string[];
  /** Calls etcd's JSON gateway at the first member that answers: `kv/range`, `auth/enable`. @throws Error as etcd answers */
  // deno-lint-ignore no-explicit-any -- etcd answers JSON of another form to each call
  api(path: string, body?: object, token?: string): Promise<any>;
  /** The members with etcd's leader last. */
  leaderLast(): Promise<readonly EtcdMember[]>;
  /** What the key holds by the gateway, or undefined. */
  get(key: string): Promise<string | undefined>;
  put(key: string, value: string): Promise<void>;
}

/** How {@link startEtcdCluster} starts etcd. */
export interface EtcdClusterOptions {
  readonly members?: number;
  /** TLS for clients by this server certificate; with `client`, it asks for theirs too, and the gateway is called with that one. */
  readonly tls?: { readonly certs: Certs; readonly client?: CertPair };
  readonly args?: readonly string[];
  /** Where the members run, in their order; all on 127.0.0.1 unless said. */
  readonly places?: readonly Place[];
}

/** Another etcd than that of PATH. */
const BINARY = Deno.env.get("PGPLEX_ETCD_BIN") ?? "etcd";

/** Starts etcd from PATH on free ports of 127.0.0.1, with its data in a temporary folder. */
export async function startEtcd(): Promise<EtcdNode> {
  const cluster = await startEtcdCluster({ members: 1 });
  const [member] = cluster.members;
  return Object.assign(member!, { [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() });
}

/** Starts an etcd of several members, three unless said, and waits until it has a leader. */
export async function startEtcdCluster(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  await requireProgram(BINARY, "etcd (Debian and Ubuntu: etcd-server; Homebrew: etcd)");
  const { tls } = options;
  const folder = await tempDir("pgplex-etcd-data-");
  const places = Array.from({ length: options.members ?? 3 }, (_, index) => {
    const place = options.places?.[index];
    const host = place?.host ?? LOOPBACK;
    return { name: `m${index}`, host, port: freePort(), peerUrl: `http://${host}:${freePort()}`, place };
  });
  const all = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const http = tls === undefined ? undefined : Deno.createHttpClient({
    caCerts: [tls.certs.ca],
    ...(tls.client && { cert: tls.client.cert, key: tls.client.key }),
  });
  const request = (url: string, init: RequestInit = {}) =>
    fetch(url, { ...init, signal: AbortSignal.timeout(5_000), ...(http && { client: http }) } as RequestInit);
  const members = places.map((place) =>
    new Member({
      ...place,
      dataDir: folder.path,
      options,
      args: [`--initial-cluster=${all}`, ...options.args ?? []],
      isHealthy: async (url) => {
        const response = await request(`${url}/health`).catch(() => null);
        return response !== null && /"true"/.test(await response.text());
      },
    })
  );
  const dispose = async () => {
    await Promise.all(members.map((member) => member.kill()));
    http?.close();
    await removeAll(folder.path);
  };
  try {
    // The first members are healthy when a majority is there.
    await Promise.all(members.map((member) => member.start()));
  } catch (error) {
    await dispose();
    throw error;
  }
  const post = (url: string, path: string, body: object, token?: string) =>
    request(`${url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      ...(token && { headers: { Authorization: token } }),
    });
  const api = async (path: string, body: object = {}, token?: string) => {
    let failure: unknown;
    for (const { url } of members) {
      let response: Response;
      try {
        response = await post(url, path, body, token);
      } catch (error) {
        failure = error;
        continue;
      }
      const answer = await response.json();
      if (!response.ok) throw new Error(`etcd answers to ${path}: ${JSON.stringify(answer)}`);
      return answer;
    }
    throw failure;
  };
  const isLeader = async ({ url }: EtcdMember) => {
    const { header, leader } = await (await post(url, "maintenance/status", {})).json();
    return header.member_id === leader;
  };
  return {
    members,
    urls: members.map(({ url }) => url),
    api,
    leaderLast: async () => {
      const leading = await Promise.all(members.map(isLeader));
      return members.toSorted((a, b) =>
        Number(leading[members.indexOf(a)]) - Number(leading[members.indexOf(b)])
      );
    },
    get: async (key) => {
      const { kvs } = await api("kv/range", { key: base64(key) });
      return kvs === undefined ? undefined : fromBase64(kvs[0].value ?? "");
    },
    put: async (key, value) => {
      await api("kv/put", { key: base64(key), value: base64(value) });
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** As etcd's JSON has keys and values. */
export function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

function fromBase64(text: string): string {
  return new TextDecoder().decode(Uint8Array.fromBase64(text));
}

interface MemberParts {
  readonly name: string;
  readonly host: string;
  readonly place: Place | undefined;
  readonly port: number;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly args: readonly string[];
  readonly options: EtcdClusterOptions;
  readonly isHealthy: (url: string) => Promise<boolean>;
}

class Member implements EtcdMember {
  readonly url: string;
  readonly port: number;
  readonly #parts: MemberParts;
  #daemon: Daemon | null = null;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.port = parts.port;
    this.url = `${parts.options.tls === undefined ? "http" : "https"}://${parts.host}:${parts.port}`;
  }

  get pid(): number {
    return this.#daemon!.pid;
  }

  get log(): string {
    return this.#daemon?.log ?? "";
  }

  signal(signal: Deno.Signal): void {
    this.#daemon?.signal(signal);
  }

  async start(): Promise<void> {
    const { name, place, peerUrl, dataDir, args, options: { tls }, isHealthy } = this.#parts;
    const files = tls === undefined ? [] : [
      `--cert-file=${tls.certs.server.certFile}`,
      `--key-file=${tls.certs.server.keyFile}`,
      ...(tls.client ? ["--client-cert-auth", `--trusted-ca-file=${tls.certs.caFile}`] : []),
    ];
    this.#daemon = await Daemon.start({
      what: "etcd",
      command: BINARY,
      ...(place && { place }),
      args: [
        ...[`--name=${name}`, `--data-dir=${dataDir}/${name}`, "--unsafe-no-fsync"],
        ...[`--listen-client-urls=${this.url}`, `--advertise-client-urls=${this.url}`],
        ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
        ...files,
        ...args,
      ],
      dir: (await tempDir("pgplex-etcd-log-")).path,
      ready: () => isHealthy(this.url),
    });
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await this.#daemon?.stop(signal);
    await this.kill();
  }

  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    await daemon?.[Symbol.asyncDispose]();
  }
}
