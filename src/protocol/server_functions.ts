import { SERVER_FUNCTION_NAMES } from "./server_function_names.ts";

/** What a function of pg_catalog may leave behind in a session once the transaction is over, or take from it. */
export type SessionEffect =
  /** A setting, unless it is told to set it for the transaction alone. */
  | "setting"
  /** An advisory lock of the session. */
  | "lock"
  /** One advisory lock of the session less, or all of them. */
  | "unlock"
  /** Nothing, but it reads what the session remembers of sequences. */
  | "sequence read"
  /** What the session remembers of sequences. */
  | "sequence advance"
  /** The seed of random(). */
  | "seed"
  /** A temporary replication slot, or one less. */
  | "slot"
  /** The session's replication origin. */
  | "origin"
  /** The mode of a backup, which ends with the session. */
  | "backup"
  /** Anything: it runs the SQL that it is given, or reads relations by names that it is given, views among them. */
  | "runs sql"
  /** Not known, or a library that it loads. */
  | "opaque";

/** Names that stand in a text, with white space between them. */
export function wordSet(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

const BY_EFFECT: Readonly<Record<SessionEffect, string>> = {
  "setting": "set_config",
  "lock": `
    pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared`,
  "unlock": `
    pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared`,
  "sequence read": "currval lastval",
  "sequence advance": "nextval setval",
  "seed": "setseed",
  "slot": `
    pg_copy_logical_replication_slot pg_copy_physical_replication_slot pg_create_logical_replication_slot
    pg_create_physical_replication_slot pg_drop_replication_slot`,
  // What pg_replication_origin_xact_setup sets is not reset at the end of the transaction.
  "origin": `
    pg_replication_origin_session_reset pg_replication_origin_session_setup pg_replication_origin_xact_reset
    pg_replication_origin_xact_setup`,
  "backup": `
    pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup`,
  // Of ts_rewrite the variant with a query. Those for schemas and databases are STABLE, and read all that is there.
  "runs sql": `
    cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema query_to_xml
    query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema
    table_to_xml table_to_xml_and_xmlschema table_to_xmlschema ts_rewrite ts_stat`,
  // What only pg_upgrade and initdb may call; validators, which load libraries; logical decoding, which loads a plugin.
  "opaque": `
    binary_upgrade_add_sub_rel_state binary_upgrade_create_empty_extension binary_upgrade_logical_slot_has_caught_up
    binary_upgrade_replorigin_advance binary_upgrade_set_missing_value binary_upgrade_set_next_array_pg_type_oid
    binary_upgrade_set_next_heap_pg_class_oid binary_upgrade_set_next_heap_relfilenode
    binary_upgrade_set_next_index_pg_class_oid binary_upgrade_set_next_index_relfilenode
    binary_upgrade_set_next_multirange_array_pg_type_oid binary_upgrade_set_next_multirange_pg_type_oid
    binary_upgrade_set_next_pg_authid_oid binary_upgrade_set_next_pg_enum_oid
    binary_upgrade_set_next_pg_tablespace_oid binary_upgrade_set_next_pg_type_oid
    binary_upgrade_set_next_toast_pg_class_oid binary_upgrade_set_next_toast_pg_type_oid
    binary_upgrade_set_next_toast_relfilenode binary_upgrade_set_record_init_privs
    fmgr_c_validator fmgr_internal_validator fmgr_sql_validator
    pg_logical_slot_get_binary_changes pg_logical_slot_get_changes pg_logical_slot_peek_binary_changes
    pg_logical_slot_peek_changes pg_stop_making_pinned_objects pg_sync_replication_slots plpgsql_validator`,
};

/**
 * Functions of pg_catalog, in any major from 12 to 18, that may leave something behind in the session, by their names. Of a
 * name with several variants the worst counts. A function that is not here, and not in {@link SERVER_FUNCTIONS}, is not the
 * server's own, or of a newer major.
 */
export const SESSION_FUNCTIONS: ReadonlyMap<string, SessionEffect> = new Map(
  Object.entries(BY_EFFECT).flatMap(([effect, names]) =>
    [...wordSet(names)].map((name) => [name, effect as SessionEffect] as const)
  ),
);

/**
 * VOLATILE functions of pg_catalog that leave nothing behind in the session, each judged by what its source in C does. What
 * they do to the server, to other sessions or to the catalogue is no session state; a large object's descriptor, an exported
 * snapshot and an advisory lock of the transaction end with the transaction. `deno task functions` fails where one is
 * in neither table.
 */
export const HARMLESS_VOLATILE: ReadonlySet<string> = wordSet(`
  amvalidate array_sample array_shuffle brin_desummarize_range brin_summarize_new_values brin_summarize_range
  clock_timestamp current_query currtid currtid2 gen_random_uuid gin_clean_pending_list lo_close lo_creat lo_create
  lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell lo_tell64 lo_truncate
  lo_truncate64 lo_unlink loread lowrite pg_advisory_xact_lock pg_advisory_xact_lock_shared
  pg_available_wal_summaries pg_blocking_pids pg_cancel_backend pg_clear_attribute_stats pg_clear_relation_stats
  pg_collation_actual_version pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
  pg_create_restore_point pg_current_logfile pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
  pg_database_collation_actual_version pg_database_size pg_export_snapshot pg_extension_config_dump pg_get_aios
  pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_multixact_members pg_get_sequence_data
  pg_get_shmem_allocations pg_get_shmem_allocations_numa pg_get_wait_events pg_get_wal_replay_pause_state
  pg_get_wal_resource_managers pg_get_wal_summarizer_state pg_hba_file_rules pg_ident_file_mappings
  pg_import_system_collations pg_indexes_size pg_is_in_backup pg_is_in_recovery pg_is_wal_replay_paused
  pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn
  pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status pg_log_backend_memory_contexts
  pg_log_standby_snapshot pg_logical_emit_message pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir
  pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_nextoid
  pg_notification_queue_usage pg_notify pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_promote
  pg_read_binary_file pg_read_file pg_read_file_old pg_relation_size pg_reload_conf pg_replication_origin_advance
  pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_progress
  pg_replication_origin_session_is_setup pg_replication_origin_session_progress pg_replication_slot_advance
  pg_restore_attribute_stats pg_restore_relation_stats pg_rotate_logfile pg_rotate_logfile_old
  pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_all_file_settings pg_show_replication_origin_status
  pg_sleep pg_sleep_for pg_sleep_until pg_stat_clear_snapshot pg_stat_file pg_stat_force_next_flush
  pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io pg_stat_get_recovery_prefetch
  pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
  pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
  pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
  pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
  pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_stat_reset pg_stat_reset_backend_stats
  pg_stat_reset_replication_slot pg_stat_reset_shared pg_stat_reset_single_function_counters
  pg_stat_reset_single_table_counters pg_stat_reset_slru pg_stat_reset_subscription_stats pg_switch_wal pg_table_size
  pg_tablespace_size pg_terminate_backend pg_total_relation_size pg_try_advisory_xact_lock
  pg_try_advisory_xact_lock_shared pg_wal_replay_pause pg_wal_replay_resume pg_wal_summary_contents
  pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status random random_normal timeofday timezone
  txid_status uuidv4 uuidv7
`);

/**
 * Names of all functions of pg_catalog, in any major from 12 to 18, that a statement can call and that leave nothing behind in
 * the session: {@link HARMLESS_VOLATILE}, and all that are STABLE or IMMUTABLE and not in {@link SESSION_FUNCTIONS}.
 */
export const SERVER_FUNCTIONS: ReadonlySet<string> = wordSet(SERVER_FUNCTION_NAMES);
