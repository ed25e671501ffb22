#!/bin/sh
# What the public image's entry point does, as far as the stack needs it: a database made once, then the server.
set -eu
data=$PGDATA
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data" && chown postgres "$data" && chmod 700 "$data"
    umask 077
    printf '%s' "$POSTGRES_PASSWORD" >/run/password && chown postgres /run/password
    setpriv --reuid=postgres --regid=postgres --init-groups initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/run/password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    rm /run/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    as="setpriv --reuid=postgres --regid=postgres --init-groups"
    $as pg_ctl -D "$data" -w -o "-c listen_addresses='' -k /tmp" start >/dev/null
    $as createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do $as psql -q -h /tmp -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script"; done
    $as pg_ctl -D "$data" -w -m fast stop >/dev/null
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data" -c listen_addresses='*' -k /tmp "$@"
