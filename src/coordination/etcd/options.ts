import type { EtcdConfig, Secret } from "../../config/mod.ts";
import type { Clock } from "../../kernel/mod.ts";

/** A user of etcd's. */
export interface EtcdCredentials {
  readonly user: string;
  readonly password: Secret;
}

/** What an {@link EtcdStore} is opened with. */
export interface EtcdOptions {
  readonly etcd: EtcdConfig;
  readonly clock: Clock;
  /**
   * Told when a member that was good fails, or one that failed is good again (null), for the log. Neither has a secret.
   */
  readonly onMember?: (endpoint: string, problem: string | null) => void;
}
