import type { WireMessage } from "../../tests/harness/backend_messages.ts";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { FakeStream } from "../backend/fake_server_test.ts";
import type { Config } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { UnreadLeases } from "../lease/mod.ts";
import { Listeners } from "../listen/mod.ts";
import {
  atRest,
  configOf,
  FakeCluster,
  FakeLog,
  messagesIn,
  topologyOf,
} from "../servers/fake_cluster_test.ts";
import { type Destination, type DestinationKey, NO_PARAMS, ServerPools } from "../servers/mod.ts";
import { NO_LOG, RareWarnings, WorkerCounters } from "../telemetry/mod.ts";
import type { TopologyPublisher } from "../topology/mod.ts";
import { CancelKeys } from "./cancel_keys.ts";
import { Session } from "./session.ts";
import type { SessionFacts } from "./session_facts.ts";
import { ClientLog } from "./client_log.ts";
import type { SessionParts } from "./session_parts.ts";

/** One cluster, to which plain database names lead. */
const main = (account: string) =>
  `clusters: { main: { ${account}nodes: [{ name: n1, host: h1 }] } }\nrouting: { default_cluster: main }\n`;

/** The database app as alice. */
const KEY: DestinationKey = {
  cluster: "main",
  database: "app",
  user: "alice",
  alias: null,
  purpose: "clients",
};

/** AuthenticationOk, with which a greeting opens. */
export const ADMISSION: Uint8Array = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0);

/** A client's end of a connection. */
export class FakeClient {
  readonly stream = new FakeStream();

  /** What it was sent since the last call. */
  said(): WireMessage[] {
    return messagesIn(this.stream.taken());
  }

  /** The same in short: types in a row, and of an ErrorResponse what it says. */
  heard(): string {
    return this.said().map(({ type, fields, status }) => {
      if (type === "E") return `(${fields!.S} ${fields!.C} ${fields!.M})`;
      return type === "Z" && status !== "I" ? `Z${status}` : type;
    }).join("");
  }
}

/** What sessions need of their worker, with a {@link FakeCluster} behind it. */
export class FakeSessionParts implements SessionParts {
  readonly clientLog = new ClientLog(NO_LOG, () => this.config.log);
  readonly cluster = new FakeCluster();
  readonly runtime = this.cluster.runtime;
  readonly log = new FakeLog();
  readonly warnings = new RareWarnings(this.log, () => this.runtime.clock.nowMs());
  readonly unread = new UnreadLeases(this.runtime.clock);
  readonly config: Config;
  readonly topology: TopologyPublisher;
  readonly pools: ServerPools;
  readonly listeners: Listeners;
  readonly cancelKeys = new CancelKeys(1, 0, this.runtime.random);
  readonly counters = new WorkerCounters();

  onServerTrouble(): void {}

  constructor(yaml: string) {
    const config = this.config = configOf(yaml);
    this.topology = topologyOf(config);
    this.pools = new ServerPools(config, this);
    this.listeners = new Listeners(config, this.runtime, this.pools, this.log);
  }

  /** Ends all pools, so that nothing outlives the test. */
  async end(): Promise<void> {
    this.pools.close(new PgplexError("shutting_down", "over"));
    await atRest();
  }
}

/** A worker with this in `pool` of its configuration, whose statements are not probed unless that says so; `account`: of its cluster. */
export function sessionParts(pool = "state_check: off", account = ""): FakeSessionParts {
  return new FakeSessionParts(`${main(account === "" ? "" : `${account}, `)}pool: { ${pool} }\n`);
}

/** Where sessions of `parts` go. */
export function destinationOf(parts: FakeSessionParts): Destination {
  return parts.pools.get(KEY, NO_CREDENTIALS);
}

/** Whoever logs in as alice. */
export function factsOf(facts: Partial<SessionFacts> = {}): SessionFacts {
  return {
    id: 1,
    peer: { host: "10.0.0.9", port: 40_000 },
    user: "alice",
    database: "app",
    minor: 0,
    tls: null,
    mode: "transaction",
    statementsOnly: false,
    base: NO_PARAMS,
    applicationName: null,
    options: new Map(),
    ...facts,
  };
}

/** A session that runs, and its client, which has sent `rest` behind its login. */
export function beginSession(
  parts: FakeSessionParts,
  facts: Partial<SessionFacts> = {},
  rest: Uint8Array = new Uint8Array(0),
): { readonly session: Session; readonly client: FakeClient; readonly over: Promise<void> } {
  const client = new FakeClient();
  const session = new Session(parts, client.stream, destinationOf(parts), factsOf(facts));
  return { session, client, over: session.run(ADMISSION, rest) };
}
