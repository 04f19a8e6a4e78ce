import { SecretCache, UserDirectory } from "../auth/mod.ts";
import { FakeStream } from "../backend/fake_server_test.ts";
import type { Config } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Listeners } from "../listen/mod.ts";
import {
  atRest,
  configOf,
  FakeCluster,
  FakeLog,
  messagesIn,
  topologyOf,
} from "../servers/fake_cluster_test.ts";
import { ServerPools } from "../servers/mod.ts";
import { CancelKeys, type Session } from "../session/mod.ts";
import { RareWarnings, WorkerCounters } from "../telemetry/mod.ts";
import type { WireMessage } from "../../tests/harness/backend_messages.ts";
import type { PeerAddress } from "../transport/mod.ts";
import type { ConsoleDoor } from "./console_door.ts";
import { LoginDeadlines } from "./login_deadlines.ts";
import type { LoginParts } from "./login_parts.ts";
import type { ReplicationClient } from "./replication_client.ts";

/** Two clusters, of which plain database names lead to the first; users are trusted. */
export const TRUST = `clusters:
  main: { nodes: [{ name: n1, host: h1 }] }
  other: { nodes: [{ name: o1, host: h2 }] }
routing: { default_cluster: main }
`;

/** A client on the network, and one on a unix socket. */
export const PEER: PeerAddress = { host: "10.0.0.9", port: 40_000 };
export const UNIX: PeerAddress = { host: "unix", port: 0 };

/** What logins need, with a {@link FakeCluster} behind it. */
export class FakeWorker implements LoginParts {
  readonly cluster = new FakeCluster();
  readonly runtime = this.cluster.runtime;
  readonly log = new FakeLog();
  readonly warnings = new RareWarnings(this.log, () => this.runtime.clock.nowMs());
  readonly topology;
  readonly pools: ServerPools;
  readonly listeners: Listeners;
  readonly cancelKeys = new CancelKeys(1, 0, this.runtime.random);
  readonly users: UserDirectory;
  readonly mockKey = new Uint8Array(32);
  readonly secretCache = new SecretCache({ instanceKey: this.mockKey });
  readonly channelBinding = null;
  readonly logins = new LoginDeadlines();
  readonly sessions = new Set<Session>();
  readonly replications = new Set<ReplicationClient>();
  readonly counters = new WorkerCounters();
  readonly config: Config;
  console: ConsoleDoor | null = null;
  draining = false;

  constructor(yaml = `${TRUST}auth: { type: trust }\n`, users: Record<string, string> = {}) {
    const config = this.config = configOf(yaml);
    this.topology = topologyOf(config);
    this.pools = new ServerPools(config, this);
    this.listeners = new Listeners(config, this.runtime, this.pools, this.log);
    this.users = UserDirectory.parse(Object.entries(users));
  }

  /** Ends everything that is left, so that nothing outlives the test. */
  async end(): Promise<void> {
    const error = new PgplexError("shutting_down", "over");
    for (const session of this.sessions) session.end(error);
    for (const { end } of this.replications) end();
    this.pools.close(error);
    await atRest();
  }
}

/** A client's end of a connection. */
export class FakeClient {
  readonly stream = new FakeStream();

  /** What it was sent since the last call. */
  said(): WireMessage[] {
    return messagesIn(this.stream.taken());
  }

  /** Of what it was sent since the last call, the types in a row. */
  saidTypes(): string {
    return this.said().map(({ type }) => type).join("");
  }
}

/** A console that opens for `pgplex`, and what came to it. */
export class FakeDoor implements ConsoleDoor {
  readonly admitted: string[] = [];
  readonly rests: Uint8Array[] = [];
  refusal: PgplexError | null = null;

  opens(database: string): boolean {
    return database === "pgplex";
  }

  admit({ user, database }: Parameters<ConsoleDoor["admit"]>[0]): (rest: Uint8Array) => Promise<void> {
    if (this.refusal !== null) throw this.refusal;
    this.admitted.push(`${user} to ${database}`);
    return (rest) => {
      this.rests.push(rest);
      return Promise.resolve();
    };
  }
}
