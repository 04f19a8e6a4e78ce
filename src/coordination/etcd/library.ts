import type { Client, ClientDuplexStream, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../../kernel/mod.ts";

/** Services of etcd's API. */
export type Service = "KV" | "Watch" | "Auth" | "Maintenance";

/** What the library has for one service of one member: gRPC's own client. */
export interface ServiceClient extends Client, Record<UnaryMethod, Unary> {
  /** A stream both ways. */
  readonly watch: (metadata: Metadata, options: object) => ClientDuplexStream<object, unknown>;
}

/** Calls with one answer. */
export type UnaryMethod = "range" | "txn" | "authenticate" | "status";

type Unary = (
  request: object,
  metadata: Metadata,
  options: { deadline: number },
  done: (error: ServiceError | null, response?: unknown) => void,
) => ClientUnaryCall;

/** The library's client of one member. */
export interface Connection {
  /** The same one at each call. */
  service(name: Service): Promise<{ readonly client: ServiceClient; readonly metadata: Metadata }>;
  /** Resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** The part of etcd3's connection pool that hands out gRPC's clients: what its own classes call with. */
interface Pool {
  withConnection<T>(
    service: Service,
    use: (held: { client: ServiceClient; metadata: Metadata }) => T,
  ): Promise<T>;
}

/**
 * What gRPC keeps beneath its clients, for all of a process: connections by their addresses. It is no public interface, and its use is to end what
 * the library leaves: a timer that looks each 10 s for what no client uses any more, and the one behind which it would connect again. Where a
 * release has it no more, they end by themselves.
 */
interface Subchannels {
  readonly getSubchannelPool?: (global: boolean) => {
    readonly pool?: Readonly<
      Record<string, readonly { subchannel?: { backoffTimeout?: { stop?(): void } } }[]>
    >;
    unrefUnusedSubchannels?(): void;
  };
}

const GRPC_OPTIONS = {
  // A call is sent once.
  "grpc.enable_retries": 0,
  // The environment's proxies are for other things.
  "grpc.enable_http_proxy": 0,
  // A connection that leads nowhere is found out by calls and watches long before. etcd answers one each 5 s with GOAWAY, and wants none without calls.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 2_000,
  // How long a member that refused is left alone by gRPC itself; which one is asked is decided elsewhere.
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.min_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // What it would count and remember of each call, nobody asks for.
  "grpc.enable_channelz": 0,
  // A listing may be larger than gRPC's 4 MB.
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
} as const;

/** grpc.ConnectivityState: its numbers are those of gRPC's channelz, and no module that is loaded later has to be asked for them. */
export const IDLE = 0;
export const READY = 2;
export const TRANSIENT_FAILURE = 3;

/** How long gRPC keeps a timer for another address of a member, which a client that is closed does not end: RFC 8305's 250 ms. */
const LEFT_MS = 260;

/**
 * npm:etcd3, loaded when the first store is opened: who has none does not pay for it. Of the library its connections and its protocol
 * files are used, below the policies that send a call again.
 */
export class Library {
  readonly #etcd3: typeof import("etcd3");
  readonly #subchannels: Subchannels;
  readonly #clock: Clock;

  private constructor(
    clock: Clock,
    { etcd3, subchannels }: { etcd3: typeof import("etcd3"); subchannels: Subchannels },
  ) {
    this.#clock = clock;
    this.#etcd3 = etcd3;
    this.#subchannels = subchannels;
  }

  static async load(clock: Clock): Promise<Library> {
    const [etcd3, subchannels] = await Promise.all([
      import("etcd3"),
      import("@grpc/grpc-js/build/src/subchannel-pool.js").catch(() => ({})),
    ]);
    return new Library(clock, { etcd3, subchannels: subchannels as unknown as Subchannels });
  }

  /** Nothing is connected before the first call. @param address a member, as gRPC names it */
  connect(address: string): Connection {
    const etcd = new this.#etcd3.Etcd3({ hosts: address, grpcOptions: GRPC_OPTIONS });
    const { pool } = etcd as unknown as { readonly pool: Pool };
    const services = new Map<Service, Promise<{ client: ServiceClient; metadata: Metadata }>>();
    return {
      service: (name) => {
        const known = services.get(name);
        if (known !== undefined) return known;
        const made = pool.withConnection(name, ({ client, metadata }) => ({ client, metadata }));
        services.set(name, made);
        return made;
      },
      close: async () => {
        const subchannels = this.#subchannels.getSubchannelPool?.(true);
        for (const { subchannel } of subchannels?.pool?.[address] ?? []) subchannel?.backoffTimeout?.stop?.();
        let isConnecting = false;
        for (const made of services.values()) {
          const client = await made.then((held) => held.client, () => null);
          if (client === null) continue;
          const state = client.getChannel().getConnectivityState(false);
          isConnecting ||= state !== READY && state !== IDLE;
          // Not by the library's own close: of a client that is just connecting it waits for the end of that, and makes it connect again.
          client.close();
        }
        subchannels?.unrefUnusedSubchannels?.();
        if (isConnecting) await new Promise<void>((resolve) => this.#clock.after(LEFT_MS, resolve));
      },
    };
  }
}
