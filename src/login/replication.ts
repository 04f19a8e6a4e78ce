import { cancelOn, loginStraight, type ServerIdentity } from "../backend/mod.ts";
import { OPTION_NAMES } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  encodeBackendKeyData,
  encodeParameterStatus,
  encodeReadyForQuery,
  negotiatedMinor,
  TxStatus,
} from "../protocol/mod.ts";
import { startupOptions } from "../options/mod.ts";
import { nodeFor, type Route } from "../routing/mod.ts";
import { databaseNameOf, type Destination, NO_PARAMS } from "../servers/mod.ts";
import type { TopologyNode } from "../topology/mod.ts";
import { type ByteStream, LARGE_BUFFER_BYTES, type PeerAddress, writeAll } from "../transport/mod.ts";
import type { Cancellable } from "../session/mod.ts";
import { accountFor } from "./account.ts";
import type { Authenticated } from "./authentication.ts";
import type { LoginParts } from "./login_parts.ts";
import { tlsName } from "./opening.ts";
import { refuse } from "./refusal.ts";
import type { ReplicationClient, ReplicationLink, ReplicationRequest } from "./replication_client.ts";

/**
 * A replication client that has logged in, which counts from here on.
 *
 * @returns what serves it to its end
 * @throws PgplexError without a node for it
 */
export function replicationServer(
  worker: LoginParts,
  client: Authenticated,
  { route, peer, mode }: { route: Route; peer: PeerAddress; mode: "physical" | "logical" },
): () => Promise<void> {
  const { startup, reader, admission, user, database } = client;
  const { stream } = reader;
  nodeOf(worker, route); // whoever has none now is told so at once
  const id = worker.runtime.nextId();
  const replication = new Replication(worker, stream, {
    ...route,
    ...accountFor(worker, route, client),
    clientUser: user,
    params: startupOptions(startup.params, OPTION_NAMES).params,
    minor: negotiatedMinor(startup.minor),
    id,
    peer,
    mode,
    name: databaseNameOf(worker.config, route),
    tls: tlsName(client),
  });
  const { replications, clientLog, runtime: { clock } } = worker;
  replications.add(replication);
  clientLog.connected({ id, user, database, peer }, tlsName(client));
  let reason = "client close request";
  return () =>
    writeAll(stream, admission)
      .then(() => replication.serve(reader.rest()))
      .catch((thrown) => {
        worker.counters.loginFailures++;
        if (thrown instanceof PgplexError) reason = thrown.message;
        return refuse(worker, stream, thrown, peer);
      })
      .finally(() => {
        replications.delete(replication);
        stream.close();
        const lastedMs = clock.nowMs() - replication.connectedMs;
        clientLog.disconnected({ id, user, database, peer }, { reason, lastedMs });
      });
}

/** A replication connection is one server's for its life. @throws PgplexError where there is none to serve it now */
function nodeOf({ topology }: LoginParts, { cluster }: Pick<Route, "cluster">): TopologyNode {
  const routed = nodeFor(topology.current, { cluster });
  if (routed.kind === "error") throw routed.error;
  if (routed.kind === "wait") throw new PgplexError("server_unreachable", routed.reason);
  return routed.node;
}

/** Takes whoever has a seat in a pool off it again; `nowMs` is the clock's. */
type Leave = (nowMs: number) => void;

/**
 * A replication connection: a seat in the pool of its database and user, in which it waits as others do for a connection, and a server
 * connection of its own. Bytes go straight through in both directions until one side ends.
 */
class Replication implements ReplicationClient {
  readonly request: ReplicationRequest;
  readonly connectedMs: number;
  link: ReplicationLink | null = null;
  readonly #worker: LoginParts;
  readonly #stream: ByteStream;
  #server: ByteStream | null = null;
  #ended = false;
  /** Takes it out of the queue, if it waits there. */
  #giveUp = () => {};

  constructor(worker: LoginParts, stream: ByteStream, request: ReplicationRequest) {
    this.#worker = worker;
    this.#stream = stream;
    this.request = request;
    this.connectedMs = worker.runtime.clock.nowMs();
  }

  end(): void {
    this.#ended = true;
    this.#giveUp();
    this.#server?.close();
    this.#stream.close();
  }

  /**
   * Serves the client, who sent `rest` behind its login, until one side ends.
   *
   * @throws PgplexError when the database is paused, the client waited too long, or the server cannot be reached or refuses; the caller
   *   tells the client
   */
  async serve(rest: Uint8Array): Promise<void> {
    const { pools, runtime: { clock } } = this.#worker;
    const { cluster, database, user, alias, credentials } = this.request;
    this.#checkRunning();
    const destination = pools.get({ cluster, database, user, alias, purpose: "clients" }, credentials);
    const fromClient = new Pump(this.#stream);
    void fromClient.begin().then((isThere) => isThere || this.#giveUp());
    const leave = await this.#takeSeat(destination);
    if (leave === null) return;
    try {
      await this.#serveSeated(destination, fromClient, rest);
    } finally {
      leave(clock.nowMs());
    }
  }

  /** @returns what gives the seat back; null where the client is gone @throws PgplexError when it waited for too long */
  #takeSeat(destination: Destination): Promise<Leave | null> {
    const nowMs = this.#worker.runtime.clock.nowMs();
    const untilMs = nowMs + (destination.settings.query_wait_timeout || Infinity);
    return new Promise((seated: (leave: Leave | null) => void, refused) => {
      const wish = { base: NO_PARAMS, tenant: 0, settings: null, sqlStatements: new Map() };
      const waiter = { wish, seated, refused };
      destination.wait(waiter, nowMs, untilMs);
      this.#giveUp = () => {
        if (destination.forget(waiter)) seated(null);
      };
    });
  }

  async #serveSeated({ settings }: Destination, fromClient: Pump, rest: Uint8Array): Promise<void> {
    const { config, runtime, cancelKeys } = this.#worker;
    const { cluster, user, database, credentials, params: asked, minor } = this.request;
    const tls = config.clusters.get(cluster)?.tls;
    if (tls === undefined) throw new PgplexError("config_changed", "the cluster is gone");
    const node = nodeOf(this.#worker, this.request);
    const { stream: server, identity, rest: greeting } = await loginStraight({
      endpoint: node,
      tls,
      user,
      database,
      credentials,
      params: new Map([...asked].filter(([name]) => name !== "user" && name !== "database")),
      base: "",
      timeoutMs: settings.server_connect_timeout,
    }, runtime);
    try {
      this.#checkRunning(); // again: PAUSE and KILL do not see a connection that is logging in
    } catch (thrown) {
      server.close();
      throw thrown;
    }
    if (this.#ended) return server.close();
    this.#server = server;
    this.link = { server: identity, node };
    const cancellable: Cancellable = {
      cancel: () => cancelOn(identity, runtime.network, runtime.clock, settings.server_connect_timeout),
    };
    const key = cancelKeys.issue(cancellable, minor);
    try {
      await greet(this.#stream, identity, key);
      await writeAll(this.#stream, greeting);
      await writeAll(server, rest);
      await Promise.race([fromClient.into(server), new Pump(server).into(this.#stream)]);
    } catch {
      // One side was reset: both end.
    } finally {
      cancelKeys.revoke(cancellable, key);
      this.end();
    }
  }

  /** A pause has nobody new on a server, and whoever streams could not wait: such clients come again by themselves. */
  #checkRunning(): void {
    const { name } = this.request;
    if (!this.#worker.pools.control.holds(name)) return;
    throw new PgplexError("database_disabled", `database "${name}" is paused`, {
      sqlstate: "57P03", // cannot_connect_now
      hint: "It was paused in pgplex's console; RESUME lets clients in again.",
    });
  }
}

async function greet(
  client: ByteStream,
  identity: ServerIdentity,
  key: { pid: number; secret: Uint8Array },
): Promise<void> {
  for (const [name, value] of identity.parameters.values) {
    await writeAll(client, encodeParameterStatus(name, value));
  }
  await writeAll(client, encodeBackendKeyData(key.pid, key.secret));
  await writeAll(client, encodeReadyForQuery(TxStatus.Idle));
}

/** Moves bytes from one side. What was read is written on before the end is reported. */
class Pump {
  readonly #from: ByteStream;
  readonly #buffer = new Uint8Array(LARGE_BUFFER_BYTES);
  #read: Promise<number> | null = null;

  constructor(from: ByteStream) {
    this.#from = from;
  }

  /** Begins to read before there is anywhere to write it. Whether something came, and not the end. */
  begin(): Promise<boolean> {
    this.#read = this.#from.read(this.#buffer);
    return this.#read.then((n) => n > 0, () => false);
  }

  /** Moves everything until the end. */
  async into(to: ByteStream): Promise<void> {
    for (;;) {
      const n = await (this.#read ?? this.#from.read(this.#buffer));
      this.#read = null;
      if (n === 0) return;
      await writeAll(to, this.#buffer.subarray(0, n));
    }
  }
}
