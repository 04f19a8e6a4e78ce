#!/bin/bash
# Starts a server of the cluster in a container of the image postgres: `node.sh primary`, or `node.sh standby NAME`.
set -euo pipefail
settings=(-c wal_log_hints=on -c wal_keep_size=256MB -c hot_standby=on -c listen_addresses='*')
if [ "$1" = standby ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -d -m 0700 -o postgres -g postgres "$PGDATA"
  until gosu postgres pg_basebackup -h node1 -U postgres -D "$PGDATA" -X stream -R; do sleep 1; done
  echo "primary_conninfo = 'host=node1 user=postgres password=postgres application_name=$2'" >> "$PGDATA/postgresql.auto.conf"
fi
[ "$1" = primary ] && export POSTGRES_HOST_AUTH_METHOD=scram-sha-256
# The image lets replication in from nowhere but this machine.
mkdir -p /docker-entrypoint-initdb.d
echo 'echo "host replication all all scram-sha-256" >> "$PGDATA/pg_hba.conf"' > /docker-entrypoint-initdb.d/replication.sh
exec docker-entrypoint.sh postgres "${settings[@]}"
