import type { Secret } from "./secret.ts";
import type { LISTED } from "./userlist.ts";

/**
 * The whole configuration, as `parseConfig` and `loadConfig` make it.
 *
 * Its keys are spelled as in the file, snake_case against the custom of TypeScript, so that the same words are used in
 * the file, in the console, in messages and in the code: who searches for `query_wait_timeout` finds all of them.
 * Durations are milliseconds, sizes are bytes. Mappings from names that people choose are Maps: with a plain object, a
 * user named `constructor` would be found although nobody configured one. Nothing in it is changed after it was made.
 */
export interface Config {
  /** Other files whose keys belong to this one, beside it unless absolute. Only the first file may include any. */
  readonly include: readonly string[];
  readonly instance: InstanceConfig;
  readonly listen: ListenConfig;
  readonly io_method: IoMethod;
  /** Milliseconds. */
  readonly shutdown_timeout: number;
  /** Whom SIGTERM waits for: transactions, within `shutdown_timeout`, or clients, however long they stay. */
  readonly shutdown_wait_for: "transactions" | "clients";
  readonly auth: AuthConfig;
  /** Pool keys of users by name: they go before an alias's. */
  readonly users: ReadonlyMap<string, Partial<PoolSettings>>;
  readonly routing: RoutingConfig;
  /** By name; at least one. */
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly pool: PoolSettings;
  readonly balance: BalanceConfig;
  readonly monitor: MonitorConfig;
  /** How this instance agrees with others; null: it decides alone. */
  readonly coordination: CoordinationConfig | null;
  /** Where the records of the clusters are kept while it decides alone; null: nowhere. */
  readonly state_file: string | null;
  readonly console: ConsoleConfig;
  readonly http: HttpConfig | null;
  readonly log: LogConfig;
}

/** How sockets are served: by `epoll`, by the `runtime`, or by epoll where it can be had. */
export type IoMethod = "auto" | "epoll" | "runtime";

/** Which of several instances this one is. */
export interface InstanceConfig {
  /** 1 to 32767; the cancel keys of this instance's clients carry it. */
  readonly id: number;
  /** For people; null: the host's. */
  readonly name: string | null;
}

/** Where clients connect. */
export interface ListenConfig {
  /** A single address in the file becomes a list of one; empty for no TCP at all. */
  readonly address: readonly string[];
  readonly port: number;
  /** An absolute path. */
  readonly unix_socket_dir: string | null;
  /** Whether several processes may listen there. */
  readonly reuse_port: boolean;
  readonly max_client_conn: number;
  /** Milliseconds. */
  readonly client_login_timeout: number;
  readonly tls: ListenTls | null;
}

/** TLS towards clients. */
export interface ListenTls {
  readonly mode: "allow" | "require";
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file: string | null;
  /** At least one. */
  readonly protocols: readonly TlsProtocol[];
  /** The text of `cert_file`; empty until `loadConfig` has read it. */
  readonly cert_pem: string;
  /** The text of `key_file`; empty until `loadConfig` has read it. */
  readonly key_pem: Secret;
  /** The text of `client_ca_file`; null until `loadConfig` has read it. */
  readonly client_ca_pem: string | null;
}

/** Versions of TLS that are spoken. */
export type TlsProtocol = "TLSv1.2" | "TLSv1.3";

/** Versions that a file may name for servers: the older ones are spoken by nobody. */
export type ClusterTlsProtocol = TlsProtocol | "TLSv1" | "TLSv1.1";

/** How a client proves who it is. */
export type AuthType = "trust" | "md5" | "scram-sha-256" | "cert" | "plain" | "hba";

/** Who may connect. */
export interface AuthConfig {
  readonly type: AuthType;
  /** By name. After `loadConfig` those of `users_file` are here too; where both name a user, the YAML's entry stays. */
  readonly users: ReadonlyMap<string, UserConfig>;
  readonly users_file: string | null;
  /** Rules in pg_hba.conf's format, which `type: hba` asks for. */
  readonly hba_file: string | null;
  /** Which users a certificate's name may be, for rules with `map=`. */
  readonly ident_file: string | null;
  /** The text of `hba_file`; null until `loadConfig` has read it. */
  readonly hba_text: string | null;
  /** The text of `ident_file`; null until `loadConfig` has read it. */
  readonly ident_text: string | null;
  /** null: no look-up; true: PostgreSQL's own catalogue; else SQL in which `$1` is the user's name. */
  readonly query: string | true | null;
  /** A database name as a client gives it, where users are looked up, those of the console too; null: on the cluster they go to. */
  readonly lookup_database: string | null;
  /** Whether `trust`, `cert` and `peer` let nobody in who is neither among {@link users} nor found by a query. */
  readonly listed_users_only: boolean;
}

/** One user that may connect. */
export interface UserConfig {
  /**
   * A password in clear, `SCRAM-SHA-256$…` or `md5…`. After `loadConfig` it is filled in from `password_file` or
   * `password_env`; null then means a user who cannot log in by password.
   */
  readonly password: Secret | null;
  readonly password_file: string | null;
  readonly password_env: string | null;
  /** A line of `users_file`, which may have no secret, or one that serves other types of authentication only. */
  readonly [LISTED]?: true;
}

/** How a database name leads to a cluster. */
export interface RoutingConfig {
  readonly separator: string;
  readonly default_cluster: string | null;
  /** Aliases by name. */
  readonly databases: ReadonlyMap<string, AliasConfig>;
}

/** One alias: a database name of its own that leads to a database of a cluster, with its own pool keys. */
export interface AliasConfig extends Partial<PoolSettings> {
  readonly cluster: string;
  /** The database on the cluster; the alias's own name when the file does not say, which for `*` is the client's. */
  readonly database: string;
  /** As whom all its clients are at the server; absent: each as itself. */
  readonly user?: string;
  /** That user's, where `auth.users` does not have it. */
  readonly password?: Secret | null;
  /** In the place of `auth.query` for its clients. */
  readonly auth_query?: string | true | null;
  /** Where that is asked; absent: the database of the cluster's superuser. */
  readonly auth_database?: string;
  /** The same by the name that a client would give, be it on another cluster; goes before `auth_database`. */
  readonly lookup_database?: string;
}

/** One PostgreSQL primary and its standbys. */
export interface ClusterConfig {
  /** At least one; their names differ. */
  readonly nodes: readonly NodeConfig[];
  /** Who moves the primary: others alone; operators by command; pgplex by itself too. */
  readonly failover: "follow" | "manual" | "auto";
  /** How an old primary becomes a standby again. */
  readonly rejoin: "manual" | "sql";
  /** Whether something else starts the servers when they are stopped. */
  readonly supervised: boolean;
  /** Whether an old primary that answers is made read-only. */
  readonly fence: "off" | "sql";
  /** Bytes of WAL. */
  readonly max_failover_lag: number;
  /** Milliseconds. */
  readonly failover_interval: number;
  readonly sync_wait: number;
  readonly switchover_timeout: number;
  readonly promote_timeout: number;
  /** Null: pgplex has no connection of its own to this cluster. */
  readonly superuser: SuperuserConfig | null;
  readonly tls: ClusterTls;
  /** Names of TLS (SNI) that lead here; no two clusters share one. */
  readonly server_names: readonly string[];
  /** Only the keys that the file gives. */
  readonly pool: Partial<PoolSettings>;
}

/** One PostgreSQL server. */
export interface NodeConfig {
  readonly name: string;
  /** A name or address, or the directory of a unix socket when it begins with "/". */
  readonly host: string;
  readonly port: number;
  /** Of two standbys that have as much, the one with more is promoted. */
  readonly priority: number;
  /** Whether it may be promoted. */
  readonly promote: boolean;
  /** Whether it may serve sessions that only read, while it is a standby. */
  readonly reads: boolean;
  /** Its share of those, beside the other standbys' weights; 0: only where no other one is left. */
  readonly weight: number;
}

/** Which standbys serve sessions that only read. */
export interface BalanceConfig {
  /** Milliseconds; 0: no limit. */
  readonly max_standby_lag: number;
  /** Bytes of WAL; 0: no limit. */
  readonly max_standby_lag_bytes: number;
  /** Who only reads, and finds no standby: the primary serves it, or it waits for one. */
  readonly read_fallback: "primary" | "wait";
  /** Whether a session sees on a standby what it wrote before. */
  readonly read_consistency: "session" | "eventual";
  /** Whether BEGIN READ ONLY and default_transaction_read_only mean reading. */
  readonly read_only_is_read: "on" | "off";
}

/** How pgplex finds out about the nodes. Milliseconds. */
export interface MonitorConfig {
  readonly interval: number;
  readonly connect_timeout: number;
  readonly query_timeout: number;
  readonly failure_timeout: number;
  readonly failure_confirm: number;
  readonly primary_start_timeout: number;
}

/** The account that pgplex itself uses on a cluster. */
export interface SuperuserConfig extends UserConfig {
  readonly user: string;
  readonly database: string;
}

/** As libpq's sslmode; `allow` is `prefer`, as in PgBouncer. */
export type ClusterTlsMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";

/** TLS towards a cluster's nodes. */
export interface ClusterTls {
  readonly mode: ClusterTlsMode;
  /** At least one, of which one is spoken where `mode` needs TLS. */
  readonly protocols: readonly ClusterTlsProtocol[];
  readonly ca_file: string | null;
  readonly cert_file: string | null;
  readonly key_file: string | null;
  /** The text of `ca_file`; null until `loadConfig` has read it. */
  readonly ca_pem: string | null;
  /** The text of `cert_file`; null until `loadConfig` has read it. */
  readonly cert_pem: string | null;
  /** The text of `key_file`; null until `loadConfig` has read it. */
  readonly key_pem: Secret | null;
}

/** What holds for one pool. All durations are milliseconds, and 0 switches a limit off where the table says so. */
export interface PoolSettings {
  readonly pool_mode: "session" | "transaction" | "statement";
  readonly default_pool_size: number;
  readonly min_pool_size: number;
  readonly reserve_pool_size: number;
  readonly reserve_pool_timeout: number;
  readonly max_db_connections: number;
  readonly max_user_connections: number;
  readonly max_db_client_connections: number;
  readonly max_user_client_connections: number;
  readonly query_wait_timeout: number;
  readonly query_wait_notify: number;
  readonly server_connect_timeout: number;
  readonly server_login_retry: number;
  readonly server_idle_timeout: number;
  readonly server_lifetime: number;
  /** Session pooling: whether a session ends behind its transaction when its server connection is to be replaced. */
  readonly server_fast_close: boolean;
  readonly client_idle_timeout: number;
  readonly idle_transaction_timeout: number;
  readonly transaction_timeout: number;
  readonly query_timeout: number;
  /** SQL that a new server connection runs before it serves; null: none. */
  readonly connect_query: string | null;
  readonly pin_timeout: number;
  readonly pin_policy: "allow" | "refuse";
  readonly currval: "pin" | "ignore";
  /** Whether it is found out what became of a COMMIT whose answer is lost. */
  readonly commit_guard: "off" | "on";
  readonly max_prepared_statements: number;
  readonly state_check: "learn" | "always" | "off";
  readonly server_reset: "changed" | "always";
  readonly directives: "warn" | "strict" | "off";
  /** Options that clients may set; each at most once. */
  readonly options_allowed: readonly string[];
}

/** How several instances agree. */
export interface CoordinationConfig {
  readonly etcd: EtcdConfig;
  /** Milliseconds, whole seconds: how long an instance that is not heard of may count as there. */
  readonly lease_ttl: number;
  /** `host:port` at which other instances reach this one; null: they do not. */
  readonly advertise: string | null;
  /** Whether a primary goes on serving without etcd while it shows itself that no other one was promoted. */
  readonly failsafe: "off" | "witness";
}

/** Where the instances keep what they share. */
export interface EtcdConfig {
  /** At least one, as `parseEndpoint` takes them; all by TLS, or none. */
  readonly endpoints: readonly string[];
  /** What each key in etcd begins with; ends with a slash. */
  readonly prefix: string;
  readonly tls: EtcdTls;
  /** Null: no password is sent. */
  readonly user: string | null;
  /** Filled in by `loadConfig` from the two below it. */
  readonly password: Secret | null;
  readonly password_file: string | null;
  readonly password_env: string | null;
}

/** TLS towards etcd, where the endpoints are https. */
export interface EtcdTls {
  readonly ca_file: string | null;
  readonly cert_file: string | null;
  readonly key_file: string | null;
  /** The text of `ca_file`; null until `loadConfig` has read it. */
  readonly ca_pem: string | null;
  /** The text of `cert_file`; null until `loadConfig` has read it. */
  readonly cert_pem: string | null;
  /** The text of `key_file`; null until `loadConfig` has read it. */
  readonly key_pem: Secret | null;
}

/** The management database. */
export interface ConsoleConfig {
  readonly database: string;
  readonly aliases: readonly string[];
  readonly admin_users: readonly string[];
  readonly stats_users: readonly string[];
}

/** What of the HTTP endpoint can be open to everybody. */
export type HttpPart = "health" | "metrics" | "status";

/** The HTTP endpoint. */
export interface HttpConfig {
  readonly address: string;
  readonly port: number;
  readonly tls: HttpTls | null;
  /** Parts that ask for no user. */
  readonly public: readonly string[];
  /** Clusters whose primary may be missing while pgplex is ready. */
  readonly optional_clusters: readonly string[];
}

/** TLS of the HTTP endpoint. */
export interface HttpTls {
  readonly cert_file: string;
  readonly key_file: string;
  /** The text of `cert_file`; empty until `loadConfig` has read it. */
  readonly cert_pem: string;
  /** The text of `key_file`; empty until `loadConfig` has read it. */
  readonly key_pem: Secret;
}

/** In order of urgency. */
export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "fatal";

/** What is written to the log. */
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** Milliseconds; 0 writes none. */
  readonly stats_period: number;
  /** A line for each client that has logged in. */
  readonly connections: boolean;
  /** A line for each client that is gone, with the reason. */
  readonly disconnections: boolean;
  /** A line for each error that a client hears of pgplex itself. */
  readonly pooler_errors: boolean;
}

/** What ends a path: not a mapping with keys of its own. */
type Leaf = string | number | boolean | null | Secret | readonly string[];

/** The paths below `T`: `.*` for any name in a mapping, `[]` for any place in a list; texts of files have no key. */
type PathsBelow<T, Prefix extends string> = T extends Leaf ? never
  : T extends ReadonlyMap<string, infer V> ? `${Prefix}*` | PathsBelow<V, `${Prefix}*.`>
  : T extends readonly (infer V)[] ? PathsBelow<V, `${Prefix}[].`> | `${Prefix}[]`
  : {
    [K in Exclude<keyof T & string, `${string}_pem` | `${string}_text`>]:
      | `${Prefix}${K}`
      | PathsBelow<
        Required<T>[K],
        Required<T>[K] extends readonly object[] ? `${Prefix}${K}` : `${Prefix}${K}.`
      >;
  }[Exclude<keyof T & string, `${string}_pem` | `${string}_text`>];

/** Every key of {@link Config} with its path: `listen.port`, `clusters.*.nodes[].host`. */
export type SettingPath = PathsBelow<Config, "">;
