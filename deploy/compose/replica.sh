#!/bin/bash
# The replica: a copy of the primary, made the first time, and then whatever follows it.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$(dirname "$PGDATA")"
  rm -rf "$PGDATA" "$PGDATA.draft" # what a copy that was cut short has left
  from=(-h "${PRIMARY:-postgres}" -p "${PRIMARY_PORT:-5432}" -U bowerbird)
  # The slot of a copy that was cut short is there still.
  psql "${from[@]}" -d postgres -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE slot_name = 'replica' AND NOT active"
  pg_basebackup "${from[@]}" -D "$PGDATA.draft" -R -X stream -C -S replica -c fast
  mv "$PGDATA.draft" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c cluster_name=replica -c hot_standby_feedback=on -c max_connections=200
