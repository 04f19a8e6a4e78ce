import type { SecretCache, UserDirectory } from "../auth/mod.ts";
import type { Config } from "../config/mod.ts";
import type { Session, SessionParts } from "../session/mod.ts";
import type { TopologyPublisher } from "../topology/mod.ts";
import type { AccessRules } from "./access_rules.ts";
import type { CancelRelay } from "./cancel_relay.ts";
import type { ConsoleDoor } from "./console_door.ts";
import type { LoginDeadlines } from "./login_deadlines.ts";
import type { ReplicationClient } from "./replication_client.ts";

/** What logins need of their worker. */
export interface LoginParts extends SessionParts {
  /** Another object since each reload. */
  readonly config: Config;
  readonly topology: TopologyPublisher;
  readonly users: UserDirectory;
  readonly accessRules: AccessRules;
  readonly secretCache: SecretCache;
  /** {@link mockKeyOf} this instance: makes the secrets of users that do not exist. */
  readonly mockKey: Uint8Array;
  /** Hash of the listener's certificate for SCRAM-SHA-256-PLUS; null without TLS. */
  readonly channelBinding: Uint8Array | null;
  readonly logins: LoginDeadlines;
  /** Sessions that have logged in, and not ended. */
  readonly sessions: Set<Session>;
  readonly replications: Set<ReplicationClient>;
  /** Who passes cancel requests on to other instances; null: there are none. */
  readonly cancelRelay: Pick<CancelRelay, "pass"> | null;
  /** The management database; null where there is none. */
  readonly console: ConsoleDoor | null;
  /** The process comes to its end: nothing is resumed any more. */
  readonly stopping: boolean;
  /** No new clients: the process stops as soon as what runs has ended. */
  readonly draining: boolean;
}
