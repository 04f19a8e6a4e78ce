import { cancelOn, loginStraight, type ServerIdentity } from "../backend/mod.ts";
import { type ClusterTls, OPTION_NAMES, type PoolSettings, poolSettings } from "../config/mod.ts";
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
import { databaseNameOf } from "../servers/mod.ts";
import type { TopologyNode } from "../topology/mod.ts";
import { type ByteStream, LARGE_BUFFER_BYTES, type PeerAddress, writeAll } from "../transport/mod.ts";
import type { Cancellable } from "../session/mod.ts";
import { accountFor } from "./account.ts";
import type { Authenticated } from "./authentication.ts";
import type { LoginParts } from "./login_parts.ts";
import { tlsName } from "./opening.ts";
import { refuse } from "./refusal.ts";
import type { ReplicationClient, ReplicationRequest } from "./replication_client.ts";

/** A replication client that has logged in. @returns what serves it to its end @throws PgplexError without a node for it */
export function replicationServer(
  worker: LoginParts,
  client: Authenticated,
  { route, peer, mode }: { route: Route; peer: PeerAddress; mode: "physical" | "logical" },
): () => Promise<void> {
  const { startup, reader, admission } = client;
  const { stream } = reader;
  const request: ReplicationRequest = {
    ...route,
    node: nodeOf(worker, route),
    ...accountFor(worker, route, client),
    params: startupOptions(startup.params, OPTION_NAMES).params,
    minor: negotiatedMinor(startup.minor),
    id: worker.runtime.nextId(),
    peer,
    mode,
    name: databaseNameOf(worker.config, route),
    tls: tlsName(client),
  };
  return () =>
    writeAll(stream, admission)
      .then(() => serveReplication(worker, { stream, rest: () => reader.rest() }, request))
      .catch((thrown) => {
        worker.counters.loginFailures++;
        return refuse(worker, stream, thrown, peer);
      })
      .finally(() => stream.close());
}

/** A replication connection is one server's for its life. @throws PgplexError where there is none to serve it now */
function nodeOf({ topology }: LoginParts, { cluster }: Route): TopologyNode {
  const routed = nodeFor(topology.current, { cluster });
  if (routed.kind === "error") throw routed.error;
  if (routed.kind === "wait") throw new PgplexError("server_unreachable", routed.reason);
  return routed.node;
}

/**
 * Serves a replication connection: a server connection of its own, outside of every pool, and bytes straight through in
 * both directions until one side ends.
 *
 * @throws PgplexError when the database is paused, or the server cannot be reached or refuses; the caller tells the client.
 */
async function serveReplication(
  worker: LoginParts,
  client: { stream: ByteStream; rest: () => Uint8Array },
  request: ReplicationRequest,
): Promise<void> {
  const settings = poolSettings(worker.config, request);
  const tls = worker.config.clusters.get(request.cluster)?.tls;
  if (tls === undefined) throw new PgplexError("config_changed", "the cluster is gone");
  checkRunning(worker, request);
  const release = reserve(worker, request);
  try {
    await serveReserved(worker, client, request, { settings, tls });
  } finally {
    release();
  }
}

/** Counts it among the server connections of its database and user. @returns what counts it off @throws PgplexError */
function reserve({ pools }: LoginParts, request: ReplicationRequest): () => void {
  const { cluster, database, user, alias, credentials, name } = request;
  const destination = pools.get({ cluster, database, user, alias, purpose: "clients" }, credentials);
  const release = pools.reserve(destination);
  if (release !== null) return release;
  throw new PgplexError("too_many_connections", `too many server connections for database "${name}"`, {
    detail:
      "max_db_connections or max_user_connections is reached, and replication connections wait for nobody.",
  });
}

async function serveReserved(
  worker: LoginParts,
  client: { stream: ByteStream; rest: () => Uint8Array },
  request: ReplicationRequest,
  { settings, tls }: { settings: PoolSettings; tls: ClusterTls },
): Promise<void> {
  const params = new Map([...request.params].filter(([name]) => name !== "user" && name !== "database"));
  const { stream: server, identity, rest } = await loginStraight({
    endpoint: request.node,
    tls,
    user: request.user,
    database: request.database,
    credentials: request.credentials,
    params,
    base: "",
    timeoutMs: settings.server_connect_timeout,
  }, worker.runtime);
  try {
    checkRunning(worker, request); // again: PAUSE and KILL do not see a connection that is logging in
  } catch (thrown) {
    server.close();
    throw thrown;
  }
  const cancellable: Cancellable = {
    cancel: () =>
      cancelOn(identity, worker.runtime.network, worker.runtime.clock, settings.server_connect_timeout),
  };
  const key = worker.cancelKeys.issue(cancellable, request.minor);
  const shown: ReplicationClient = {
    request,
    server: identity,
    connectedMs: worker.runtime.clock.nowMs(),
    end: () => {
      server.close();
      client.stream.close();
    },
  };
  worker.replications.add(shown);
  try {
    await greet(client.stream, identity, key);
    await writeAll(client.stream, rest);
    await writeAll(server, client.rest());
    await Promise.race([pump(client.stream, server), pump(server, client.stream)]);
  } catch {
    // One side was reset: both end.
  } finally {
    worker.cancelKeys.revoke(cancellable, key);
    worker.replications.delete(shown);
    shown.end();
  }
}

/** A pause has nobody new on a server, and whoever streams could not wait: such clients come again by themselves. */
function checkRunning({ pools }: LoginParts, { name }: ReplicationRequest): void {
  if (!pools.control.holds(name)) return;
  throw new PgplexError("database_disabled", `database "${name}" is paused`, {
    sqlstate: "57P03", // cannot_connect_now
    hint: "It was paused in pgplex's console; RESUME lets clients in again.",
  });
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

/** Moves bytes until the end of `from`. What was read is written on before the end is reported. */
async function pump(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(LARGE_BUFFER_BYTES);
  for (;;) {
    const n = await from.read(buffer);
    if (n === 0) return;
    await writeAll(to, n === buffer.length ? buffer : buffer.subarray(0, n));
  }
}
