import { type Setting, SETTINGS, valueAt } from "../../config/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** PgBouncer's key, and the setting of pgplex with the same meaning; keys that only pgplex has come last. */
const KEYS: readonly (readonly [key: string, path: string])[] = [
  ["admin_users", "console.admin_users"],
  ["auth_file", "auth.users_file"],
  ["auth_dbname", "auth.lookup_database"],
  ["auth_query", "auth.query"],
  ["auth_type", "auth.type"],
  ["client_idle_timeout", "pool.client_idle_timeout"],
  ["client_login_timeout", "listen.client_login_timeout"],
  ["client_tls_ca_file", "listen.tls.client_ca_file"],
  ["client_tls_cert_file", "listen.tls.cert_file"],
  ["client_tls_key_file", "listen.tls.key_file"],
  ["client_tls_sslmode", "listen.tls.mode"],
  ["default_pool_size", "pool.default_pool_size"],
  ["idle_transaction_timeout", "pool.idle_transaction_timeout"],
  ["listen_addr", "listen.address"],
  ["listen_port", "listen.port"],
  ["log_connections", "log.connections"],
  ["log_disconnections", "log.disconnections"],
  ["log_pooler_errors", "log.pooler_errors"],
  ["max_client_conn", "listen.max_client_conn"],
  ["max_db_client_connections", "pool.max_db_client_connections"],
  ["max_db_connections", "pool.max_db_connections"],
  ["max_prepared_statements", "pool.max_prepared_statements"],
  ["max_user_client_connections", "pool.max_user_client_connections"],
  ["max_user_connections", "pool.max_user_connections"],
  ["min_pool_size", "pool.min_pool_size"],
  ["pool_mode", "pool.pool_mode"],
  ["query_timeout", "pool.query_timeout"],
  ["query_wait_notify", "pool.query_wait_notify"],
  ["query_wait_timeout", "pool.query_wait_timeout"],
  ["reserve_pool_size", "pool.reserve_pool_size"],
  ["reserve_pool_timeout", "pool.reserve_pool_timeout"],
  ["server_connect_timeout", "pool.server_connect_timeout"],
  ["server_fast_close", "pool.server_fast_close"],
  ["server_idle_timeout", "pool.server_idle_timeout"],
  ["server_lifetime", "pool.server_lifetime"],
  ["server_login_retry", "pool.server_login_retry"],
  ["stats_period", "log.stats_period"],
  ["stats_users", "console.stats_users"],
  ["transaction_timeout", "pool.transaction_timeout"],
  ["unix_socket_dir", "listen.unix_socket_dir"],
  ["default_cluster", "routing.default_cluster"],
  ["log_format", "log.format"],
  ["log_level", "log.level"],
  ["pin_timeout", "pool.pin_timeout"],
  ["server_reset", "pool.server_reset"],
  ["shutdown_timeout", "shutdown_timeout"],
  ["state_check", "pool.state_check"],
];

/**
 * SHOW CONFIG: settings of pgplex under PgBouncer's keys; SHOW settings has all of them under their own names.
 * Durations are in seconds and lists are separated by commas, as in PgBouncer.
 */
export function showConfig({ worker: { config } }: ConsoleParts): Table {
  const settings = new Map(SETTINGS.map((setting) => [setting.path, setting]));
  const rows = KEYS.map(([key, path]): Cell[] => {
    const setting = settings.get(path)!;
    return [
      key,
      shown(setting, settingValue(config, path)),
      setting.default.kind === "value" ? shown(setting, setting.default.value) : "",
      setting.reload === "live" ? "yes" : "no",
    ];
  });
  rows.sort(([a], [b]) => a! < b! ? -1 : 1);
  return { columns: columns("key text, value text, default text, changeable text"), rows };
}

/** What the configuration says at a path; null also below a group that is null. */
function settingValue(config: ConsoleParts["worker"]["config"], path: string): unknown {
  const segments = path.split(".");
  for (let length = 1; length < segments.length; length++) {
    if (valueAt(config, segments.slice(0, length)) === null) return null;
  }
  return valueAt(config, segments);
}

function shown({ type }: Setting, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(",");
  if (type.kind === "boolean") return value === true ? "1" : "0";
  if (type.kind === "duration") return String(Number(value) / 1000);
  return String(value);
}
