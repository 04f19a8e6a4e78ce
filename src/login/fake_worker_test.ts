import { SecretCache, UserDirectory } from "../auth/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { FakeSessionParts } from "../session/fake_sessions_test.ts";
import type { Session } from "../session/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";
import { AccessRules } from "./access_rules.ts";
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
export class FakeWorker extends FakeSessionParts implements LoginParts {
  readonly users: UserDirectory;
  readonly accessRules: AccessRules;
  readonly mockKey = new Uint8Array(32);
  readonly secretCache = new SecretCache({ instanceKey: this.mockKey });
  readonly channelBinding = null;
  readonly logins = new LoginDeadlines();
  readonly sessions = new Set<Session>();
  readonly replications = new Set<ReplicationClient>();
  cancelRelay: LoginParts["cancelRelay"] = null;
  console: ConsoleDoor | null = null;
  stopping = false;
  draining = false;

  constructor(yaml = `${TRUST}auth: { type: trust }\n`, users: Record<string, string> = {}) {
    super(yaml);
    this.accessRules = new AccessRules(this.config.auth);
    this.users = UserDirectory.parse(Object.entries(users));
  }

  override end(): Promise<void> {
    for (const session of this.sessions) session.end(new PgplexError("shutting_down", "over"));
    for (const client of this.replications) client.end();
    return super.end();
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

  clientsOf(): number {
    return 0;
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
