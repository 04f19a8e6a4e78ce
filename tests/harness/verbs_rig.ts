import { KeyCache } from "../../src/auth/mod.ts";
import { type Runtime, StatementStore } from "../../src/backend/mod.ts";
import { Secret } from "../../src/config/mod.ts";
import type { Clock, Random } from "../../src/kernel/mod.ts";
import { BufferPool, RuntimeNetwork } from "../../src/transport/mod.ts";
import { type ArbiterAccess, NodeVerbs, type TimedVerb, type VerbResult } from "../../src/verbs/mod.ts";
import { type PostgresNode, waitFor } from "./mod.ts";
import { Replicas, type ReplicasOptions } from "./replicas.ts";

/** The clock, the network and the randomness of this process. */
export function realRuntime(): Runtime {
  const clock: Clock = {
    nowMs: () => performance.now(),
    exactMs: () => performance.now(),
    wallMs: () => Date.now(),
    after: (delayMs, fire) => {
      const id = setTimeout(fire, delayMs);
      return { cancel: () => clearTimeout(id) };
    },
  };
  const random: Random = {
    u32: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
    fill: (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
  };
  let id = 0;
  return {
    clock,
    random,
    network: new RuntimeNetwork(),
    keyCache: new KeyCache(),
    buffers: new BufferPool(),
    statements: new StatementStore(),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    nextId: () => ++id,
  };
}

/** A way to log in, as a superuser unless said. */
export function accessOf({ user = "postgres", password = null as string | null } = {}): ArbiterAccess {
  return {
    superuser: {
      user,
      database: "postgres",
      password: password === null ? null : new Secret(password),
      password_file: null,
      password_env: null,
    },
    tls: {
      mode: "prefer",
      protocols: ["TLSv1.2", "TLSv1.3"],
      ca_file: null,
      cert_file: null,
      key_file: null,
      ca_pem: null,
      cert_pem: null,
      key_pem: null,
    },
    connectTimeoutMs: 2000,
  };
}

/** How {@link VerbsRig.verbs} makes verbs. */
export interface VerbsOptions {
  readonly user?: string;
  readonly password?: string;
  readonly timeouts?: Partial<Record<TimedVerb, number>>;
  /** Where it connects in place of the node: a {@link Cut}. */
  readonly port?: number;
}

/** Servers that replicate, and the arbiter's verbs for them. */
export class VerbsRig implements AsyncDisposable {
  readonly replicas: Replicas;
  readonly #open: NodeVerbs[] = [];

  private constructor(replicas: Replicas) {
    this.replicas = replicas;
  }

  static async start(options: ReplicasOptions = {}): Promise<VerbsRig> {
    return new VerbsRig(await Replicas.start(options));
  }

  node(index: number): PostgresNode {
    return this.replicas.nodes[index]!;
  }

  /** A node as somebody receives from it. */
  upstream(index: number): { name: string; host: string; port: number } {
    const { host, port } = this.node(index);
    return { name: this.replicas.names[index]!, host, port };
  }

  /** New verbs of a node, with a session of their own. */
  verbs(index: number, { port, timeouts = {}, ...who }: VerbsOptions = {}): NodeVerbs {
    const address = this.upstream(index);
    const verbs = new NodeVerbs({ ...address, port: port ?? address.port }, {
      access: () => accessOf(who),
      runtime: realRuntime(),
      timeouts,
    });
    this.#open.push(verbs);
    return verbs;
  }

  /** Waits until the node is a standby that answers, wherever its server came from. */
  async isStandby(index: number, verbs: NodeVerbs): Promise<void> {
    await this.sees(verbs, ({ recovering }) => recovering, `${this.replicas.names[index]} to be a standby`);
    await this.node(index).adopt();
  }

  /** Waits until an inspection fits. */
  async sees(
    verbs: NodeVerbs,
    fits: (found: Good<Awaited<ReturnType<NodeVerbs["inspect"]>>>) => boolean,
    what: string,
  ): Promise<void> {
    let last: unknown;
    await waitFor(async () => {
      const found = await verbs.inspect();
      last = found.ok ? { ...found, forks: "" } : found.reason;
      return found.ok && fits(found);
    }, { what, deadlineMs: 15_000 }).catch(async (thrown) => {
      const text = JSON.stringify(last, (_, value) => typeof value === "bigint" ? String(value) : value);
      throw new Error(`${thrown.message}; seen last: ${text}\n${await this.#scriptLogs()}`);
    });
  }

  /** What scripts on the hosts said. */
  async #scriptLogs(): Promise<string> {
    const logs = this.replicas.nodes.map(({ dataDir }) =>
      Deno.readTextFile(`${dataDir}/../pgplex.data/log`).then(
        async (log) => log + (await Deno.readTextFile(`${dataDir}/../log`)).slice(-2000),
        () => "",
      )
    );
    return (await Promise.all(logs)).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const verbs of this.#open) verbs.close();
    await this.replicas[Symbol.asyncDispose]();
    // What closed connections still do ends in the next turns.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A result that is ok. */
export type Good<R> = Extract<R, { readonly ok: true }>;

/** The result, which has to be ok. */
export function good<T extends object>(result: VerbResult<T>): T & { readonly ok: true } {
  if (!result.ok) throw new Error(`a verb ended as ${result.kind}: ${result.reason}`);
  return result;
}

/** Where a {@link Cut} cuts. */
export type CutAt = "before" | "after";

/**
 * A way to a server that breaks once in the middle of a statement that has `text` in it: `before` the server has it, or `after` it
 * has answered, and the answer is lost. Behind that it lets everything pass.
 */
export class Cut implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #to: { host: string; port: number };
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>[] = [];
  #armed: { text: string; at: CutAt } | null = null;
  /** How often it has cut. */
  count = 0;

  constructor(to: { host: string; port: number }) {
    this.#to = to;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#done.push(this.#accept());
  }

  /** Cuts at the next statement with this text. */
  arm(text: string, at: CutAt): void {
    this.#armed = { text, at };
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#done.push(this.#serve(client));
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: this.#to.host, port: this.#to.port }).catch(() => null);
    if (server === null) return client.close();
    this.#conns.add(client).add(server);
    let loses = false;
    const end = () => {
      for (const conn of [client, server]) {
        if (this.#conns.delete(conn)) conn.close();
      }
    };
    const pump = async (from: Deno.TcpConn, to: Deno.TcpConn, take: (bytes: Uint8Array) => boolean) => {
      const buffer = new Uint8Array(65_536);
      try {
        for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
          if (!take(buffer.subarray(0, n))) break;
          for (let at = 0; at < n;) at += await to.write(buffer.subarray(at, n));
        }
      } catch {
        // One of the two is closed.
      }
      end();
    };
    await Promise.all([
      pump(client, server, (bytes) => {
        const armed = this.#armed;
        if (armed === null || !new TextDecoder("latin1").decode(bytes).includes(armed.text)) return true;
        this.#armed = null;
        this.count++;
        loses = true;
        return armed.at === "after";
      }),
      pump(server, client, () => !loses),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
    await Promise.allSettled(this.#done);
  }
}
