-- Version 1 of the schema pgplex. Run by a superuser on the primary, in the database that the cluster's superuser of pgplex connects to;
-- it replicates like everything else. The whole file is one transaction.
CREATE SCHEMA pgplex;
REVOKE ALL ON SCHEMA pgplex FROM PUBLIC;
COMMENT ON SCHEMA pgplex IS 'What pgplex keeps on the servers themselves: pgplex schema show --cluster NAME';

CREATE TABLE pgplex.version (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version integer NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Each reign of a primary: a row that pgplex writes on the new one when it has promoted it.
CREATE TABLE pgplex.epochs (
  epoch bigint PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  timeline integer NOT NULL
    DEFAULT ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer,
  evidence text NOT NULL
);

-- What a person asks for by SQL, and what became of it.
CREATE TABLE pgplex.requests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('switchover', 'failover_mode')),
  argument jsonb NOT NULL,
  asked_by name NOT NULL DEFAULT session_user,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'refused')),
  answer text,
  answered_at timestamptz
);
CREATE UNIQUE INDEX requests_open ON pgplex.requests (kind) WHERE state IN ('waiting', 'running');

-- All that a sample of the monitor needs, on primary and standby.
CREATE FUNCTION pgplex.node_state(
  OUT recovering boolean, OUT system text, OUT version integer, OUT timeline integer, OUT lsn pg_lsn, OUT replay_lsn pg_lsn,
  OUT streaming boolean, OUT slots_used bigint, OUT slots_max integer, OUT segment_bytes bigint, OUT block_bytes integer,
  OUT upstream_host text, OUT upstream_port integer, OUT upstream_heard timestamptz, OUT synchronous_names text,
  OUT replicas jsonb, OUT started timestamptz
) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
SELECT r.recovering,
  (SELECT system_identifier::text FROM pg_control_system()),
  current_setting('server_version_num')::integer,
  CASE WHEN r.recovering THEN w.received_tli
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer END,
  CASE WHEN r.recovering THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    ELSE pg_current_wal_insert_lsn() END,
  CASE WHEN r.recovering THEN pg_last_wal_replay_lsn() END,
  coalesce(w.status = 'streaming', false),
  (SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'client backend'),
  current_setting('max_connections')::integer,
  pg_size_bytes(current_setting('wal_segment_size')),
  current_setting('wal_block_size')::integer,
  w.sender_host, w.sender_port, w.last_msg_receipt_time,
  current_setting('synchronous_standby_names'),
  (SELECT coalesce(jsonb_agg(jsonb_build_object('name', application_name, 'state', state, 'sync_state', sync_state,
    'flush_lsn', flush_lsn, 'replay_lsn', replay_lsn) ORDER BY pid), '[]') FROM pg_stat_replication),
  pg_postmaster_start_time()
FROM (SELECT pg_is_in_recovery() AS recovering) r LEFT JOIN pg_stat_wal_receiver w ON r.recovering
$function$;

-- How busy the host is, from /proc; NULL where there is none, or its owner may not read it.
CREATE FUNCTION pgplex.load_state(
  OUT load1 double precision, OUT load5 double precision, OUT load15 double precision, OUT cpus integer,
  OUT memory_bytes bigint, OUT memory_available_bytes bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  load text[] := NULL;
  memory text;
BEGIN
  load := string_to_array(pg_read_file('/proc/loadavg', 0, 200, true), ' ');
  load1 := load[1]::double precision;
  load5 := load[2]::double precision;
  load15 := load[3]::double precision;
  cpus := (SELECT nullif(count(*), 0) FROM regexp_split_to_table(pg_read_file('/proc/stat', 0, 1000000, true), '\n') line
    WHERE line ~ '^cpu[0-9]+ ');
  memory := pg_read_file('/proc/meminfo', 0, 10000, true);
  memory_bytes := substring(memory FROM 'MemTotal: +([0-9]+) kB')::bigint * 1024;
  memory_available_bytes := substring(memory FROM 'MemAvailable: +([0-9]+) kB')::bigint * 1024;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR invalid_text_representation THEN
  NULL;
END
$function$;

CREATE VIEW pgplex.node AS SELECT * FROM pgplex.node_state();
CREATE VIEW pgplex.load AS SELECT * FROM pgplex.load_state();

-- SELECT pgplex.switchover('main-2'), with the name of a node in pgplex's configuration; without one pgplex chooses.
CREATE FUNCTION pgplex.switchover(target text DEFAULT NULL, within interval DEFAULT NULL, force boolean DEFAULT false)
RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
INSERT INTO pgplex.requests (kind, argument)
VALUES ('switchover', jsonb_build_object('target', target, 'within_ms', extract(epoch FROM within) * 1000, 'force', force))
RETURNING id
$function$;

-- SELECT pgplex.failover_mode('manual').
CREATE FUNCTION pgplex.failover_mode(mode text)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  request bigint;
BEGIN
  IF mode IS NULL OR mode NOT IN ('follow', 'manual', 'auto') THEN
    RAISE EXCEPTION 'failover_mode must be follow, manual or auto' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO pgplex.requests (kind, argument) VALUES ('failover_mode', jsonb_build_object('mode', mode))
  RETURNING id INTO request;
  RETURN request;
END
$function$;

-- What became of a request: its state, and the answer once there is one.
CREATE FUNCTION pgplex.request(request bigint, OUT state text, OUT answer text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
SELECT r.state, r.answer FROM pgplex.requests r WHERE r.id = request
$function$;

-- pgplex takes the oldest request that waits; it is running then.
CREATE FUNCTION pgplex.take_request(OUT id bigint, OUT kind text, OUT argument jsonb, OUT asked_by name)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
UPDATE pgplex.requests r SET state = 'running'
WHERE r.id = (SELECT w.id FROM pgplex.requests w WHERE w.state = 'waiting' ORDER BY w.id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING r.id, r.kind, r.argument, r.asked_by
$function$;

-- pgplex answers a request: done, or refused. The first answer counts.
CREATE FUNCTION pgplex.answer_request(request bigint, is_done boolean, text text)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
WITH answered AS (
  UPDATE pgplex.requests r
  SET state = CASE WHEN is_done THEN 'done' ELSE 'refused' END, answer = text, answered_at = clock_timestamp()
  WHERE r.id = request AND r.state IN ('waiting', 'running') RETURNING 1)
SELECT EXISTS (SELECT FROM answered)
$function$;

-- Nobody may do anything here unless it is granted; who watches may look.
REVOKE ALL ON ALL TABLES IN SCHEMA pgplex FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgplex FROM PUBLIC;
GRANT USAGE ON SCHEMA pgplex TO pg_monitor;
GRANT SELECT ON pgplex.version, pgplex.epochs, pgplex.node, pgplex.load TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgplex.node_state(), pgplex.load_state() TO pg_monitor;

INSERT INTO pgplex.version (version) VALUES (1);
