#!/bin/bash
# Make a database cluster if the volume is empty, with the user and the database that the environment names.
set -e
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install --directory --owner=postgres --group=postgres --mode=700 "$PGDATA"
    install --owner=postgres --mode=600 /dev/null /tmp/password
    echo "$POSTGRES_PASSWORD" > /tmp/password
    $as_postgres initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 \
        --auth-local=trust --no-sync > /dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    # By its socket alone, as in that image: nobody else connects before the database is there.
    $as_postgres pg_ctl start --wait --options="-c listen_addresses=''" > /dev/null
    createdb --username="$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
    $as_postgres pg_ctl stop --mode=fast > /dev/null
fi
exec $as_postgres "$@" -c "listen_addresses=*"
