/** What becomes of one of PgBouncer's keys. */
export type Fate =
  /** It has the same meaning here, at this path. */
  | { readonly kind: "same"; readonly path: string }
  /** It is not carried over: why, and what to do instead. */
  | { readonly kind: "left"; readonly section: string; readonly why: string }
  /** `translate.ts` has code for it. */
  | { readonly kind: "own" };

const OWN: Fate = { kind: "own" };

/** Each key of section `[pgbouncer]` that version 1.25 knows, and older ones that people still have in their files. */
export const FATES: ReadonlyMap<string, Fate> = new Map<string, Fate>([
  ["listen_addr", OWN],
  ["listen_port", same("listen.port")],
  ["unix_socket_dir", OWN],
  [
    "unix_socket_mode",
    left("listen", "the socket is open to all, as by PgBouncer's default; rights of its folder limit it"),
  ],
  ["unix_socket_group", left("listen", "rights of the socket's folder say who may connect")],
  ["max_client_conn", same("listen.max_client_conn")],
  ["client_login_timeout", same("listen.client_login_timeout")],
  ["so_reuseport", same("listen.reuse_port")],
  ["listen_backlog", left("listen", "4096, or the system's somaxconn where that is less")],
  [
    "tcp_defer_accept",
    left("listen", "not needed: a client that sends nothing costs little, client_login_timeout ends it"),
  ],
  ["tcp_socket_buffer", left("listen", "the system's net.ipv4.tcp_rmem and tcp_wmem hold")],
  [
    "tcp_keepalive",
    left("listen", "keepalive is on for all connections; times are the system's net.ipv4.tcp_keepalive_*"),
  ],
  ["tcp_keepcnt", left("listen", "the system's net.ipv4.tcp_keepalive_probes holds")],
  ["tcp_keepidle", left("listen", "the system's net.ipv4.tcp_keepalive_time holds")],
  ["tcp_keepintvl", left("listen", "the system's net.ipv4.tcp_keepalive_intvl holds")],
  [
    "tcp_user_timeout",
    left("listen", "the system's net.ipv4.tcp_retries2 holds; the monitor finds dead nodes by itself"),
  ],
  ["client_tls_sslmode", OWN],
  ["client_tls_key_file", OWN],
  ["client_tls_cert_file", OWN],
  ["client_tls_ca_file", OWN],
  ["client_tls_protocols", OWN],
  ["client_tls_ciphers", OWN],
  ["client_tls13_ciphers", OWN],
  ["client_tls_ecdhcurve", left("listen", "the TLS library chooses among safe curves")],
  ["client_tls_dheparams", left("listen", "only elliptic curves are used")],

  ["auth_type", OWN],
  ["auth_file", OWN],
  ["auth_hba_file", OWN],
  ["auth_ident_file", OWN],
  ["auth_user", OWN],
  ["auth_query", OWN],
  ["auth_dbname", same("auth.lookup_database")],
  ["auth_ldap_options", left("auth", "LDAP is not supported: give users passwords, or auth.query")],
  [
    "scram_iterations",
    left("auth", "a password in clear becomes a secret of 4096 iterations; store SCRAM secrets for more"),
  ],

  ["pool_mode", same("pool.pool_mode")],
  ["default_pool_size", same("pool.default_pool_size")],
  ["min_pool_size", same("pool.min_pool_size")],
  ["reserve_pool_size", same("pool.reserve_pool_size")],
  ["reserve_pool_timeout", same("pool.reserve_pool_timeout")],
  ["max_db_connections", same("pool.max_db_connections")],
  ["max_user_connections", same("pool.max_user_connections")],
  ["max_db_client_connections", same("pool.max_db_client_connections")],
  ["max_user_client_connections", same("pool.max_user_client_connections")],
  ["query_wait_timeout", same("pool.query_wait_timeout")],
  ["query_wait_notify", same("pool.query_wait_notify")],
  ["server_connect_timeout", same("pool.server_connect_timeout")],
  ["server_login_retry", same("pool.server_login_retry")],
  ["server_idle_timeout", same("pool.server_idle_timeout")],
  ["server_lifetime", OWN],
  ["client_idle_timeout", same("pool.client_idle_timeout")],
  ["idle_transaction_timeout", same("pool.idle_transaction_timeout")],
  ["transaction_timeout", same("pool.transaction_timeout")],
  ["query_timeout", same("pool.query_timeout")],
  ["max_prepared_statements", same("pool.max_prepared_statements")],
  ["server_round_robin", left("pool", "a node has connections of its own; those used last are taken first")],
  [
    "server_reset_query",
    left("pool", "what a session changed is undone, and only that: see docs/SESSION_STATE.md"),
  ],
  [
    "server_reset_query_always",
    left(
      "pool",
      "not needed: a session's state follows it in transaction pooling, and never leaks to another",
    ),
  ],
  [
    "server_check_query",
    left(
      "pool",
      "not needed: the end of an idle connection is seen when it happens, and a statement is not lost by it",
    ),
  ],
  ["server_check_delay", left("pool", "not needed, as server_check_query")],
  ["server_fast_close", same("pool.server_fast_close")],
  ["cancel_wait_timeout", left("pool", "a cancel request needs no place in the pool, so it does not wait")],
  ["track_extra_parameters", left("pool", "not needed: every setting that a session changes follows it")],
  [
    "ignore_startup_parameters",
    left("pool", "not needed: every startup parameter is taken, and has its effect, as with PostgreSQL"),
  ],
  ["autodb_idle_timeout", left("pool", "not needed: what nobody uses is forgotten by itself")],
  ["pool_idle_timeout", left("pool", "not needed: what nobody uses is forgotten by itself")],
  [
    "disable_pqexec",
    left("pool", "simple queries cannot be refused: SQL injection is the application's to prevent"),
  ],
  [
    "application_name_add_host",
    left("pool", "SHOW CLIENTS and the log have address and port of each client"),
  ],
  ["login_notify_message", left("pool", "nothing is said at login: the console's SHOW VERSION names pgplex")],

  ["server_tls_sslmode", OWN],
  ["server_tls_ca_file", OWN],
  ["server_tls_key_file", OWN],
  ["server_tls_cert_file", OWN],
  ["server_tls_protocols", OWN],
  ["server_tls_ciphers", OWN],
  ["server_tls13_ciphers", OWN],
  ["dns_max_ttl", left("clusters", "a host name is looked up for each connection, by the system's resolver")],
  [
    "dns_nxdomain_ttl",
    left("clusters", "a host name is looked up for each connection, by the system's resolver"),
  ],
  [
    "dns_zone_check_period",
    left("clusters", "a host name is looked up for each connection, by the system's resolver"),
  ],
  ["resolv_conf", left("clusters", "the system's /etc/resolv.conf holds")],

  ["admin_users", same("console.admin_users")],
  ["stats_users", same("console.stats_users")],

  ["log_connections", same("log.connections")],
  ["log_disconnections", same("log.disconnections")],
  ["log_pooler_errors", same("log.pooler_errors")],
  ["log_stats", OWN],
  ["stats_period", OWN],
  ["verbose", OWN],
  ["logfile", left("log", "the log goes to standard error: systemd or a container keeps it")],
  ["syslog", left("log", "the log goes to standard error: systemd hands it to syslog")],
  ["syslog_ident", left("log", "SyslogIdentifier= of the systemd unit")],
  ["syslog_facility", left("log", "SyslogFacility= of the systemd unit")],

  ["peer_id", OWN],
  ["pidfile", left("", "pgplex stays in the foreground: systemd or a container knows its process")],
  ["user", left("", "start it as that user: User= of the systemd unit")],
  ["job_name", left("", "for services of Windows")],
  ["service_name", left("", "for services of Windows")],
  ["conffile", left("", "pgplex is told its file by --config")],
  [
    "suspend_timeout",
    left("", "not needed: SUSPEND is for PgBouncer's restart with -R; see docs/FROM_PGBOUNCER.md"),
  ],
  ["pkt_buf", left("", "buffers grow with what flows: an idle client has 512 bytes")],
  ["max_packet_size", left("", "what PostgreSQL takes passes")],
  ["sbuf_loopcnt", left("", "a connection with much data yields to the others by itself")],
]);

function same(path: string): Fate {
  return { kind: "same", path };
}

function left(section: string, why: string): Fate {
  return { kind: "left", section, why };
}
