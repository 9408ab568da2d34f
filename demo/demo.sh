#!/usr/bin/env bash
# make demo: from a fresh clone to recommendations on real data. Everything it makes stands in one
# folder outside the clone, so that PostgreSQL's own user can reach it when root runs this.
#   demo/demo.sh          build, load, serve, train, show; leaves the service running
#   demo/demo.sh stop     stops all of it and removes the folder
# PORT=8080 chooses the service's port; by default it is a free one.
set -euo pipefail
cd "$(dirname "$0")/.."
here=/tmp/shortlist-demo-$(id -u)
port=${PORT:-0}
# Only what is set below counts: no database, proxy or service of the caller.
unset -v "${!PG@}" "${!SHORTLIST_@}" "${!OPENBLAS_@}"
umask 022
export LC_ALL=C.UTF-8

# A pid can be someone else's by now; the service is known by its program.
runs() { # runs PID
    [[ $(readlink "/proc/$1/exe" || true) == */shortlistd* ]]
}

stop() {
    local pid
    pid=$(cat "$here/service.pid" 2>/dev/null || echo none)
    if runs "$pid"; then
        kill "$pid"
        for _ in $(seq 300); do runs "$pid" || break; sleep 0.1; done
        ! runs "$pid" || kill -9 "$pid"
    fi
    [ ! -d "$here/postgres" ] || tests/cluster remove "$here/postgres"
    rm -rf "$here"
}

if [ "${1:-}" = stop ]; then
    stop
    echo "the demo is gone"
    exit 0
fi

failed() {
    echo "the demo failed; make demo-stop removes what it left in $here" >&2
    [ ! -s "$here/service.log" ] || tail -n 5 "$here/service.log" >&2
}

deploy/packages build demo
echo "building (V=1 make all shows how)"
make --no-print-directory -j"$(nproc)" all >/dev/null
stop
mkdir "$here"
trap '[ $? = 0 ] || failed' EXIT

echo "starting a private PostgreSQL in $here/postgres"
admin=$(tests/cluster start "$here/postgres")
database=${admin% user=*}
echo "loading 541,909 real order lines"
demo/load_online_retail.sh "$admin" >"$here/load.log" 2>&1 || { cat "$here/load.log" >&2; exit 1; }
psql "$admin" -qXc 'CREATE DATABASE shortlist OWNER shortlist_demo'

# The service gets a role that may read the shop's tables and make one schema of its own.
export SHORTLIST_SOURCE_SHOP_CONNECTION="$database user=shortlist_demo dbname=postgres"
export SHORTLIST_STATE_CONNECTION="$database user=shortlist_demo dbname=shortlist"
export SHORTLIST_DATA_DIR=$here/snapshots
export SHORTLIST_SERVER_PORT=$port
export OPENBLAS_NUM_THREADS=1

key=$(build/shortlistd keys create --name demo --scope admin 2>>"$here/service.log")
nohup build/shortlistd serve </dev/null >"$here/service.out" 2>>"$here/service.log" &
echo $! >"$here/service.pid"
until grep -q '"listening"' "$here/service.log"; do
    kill -0 $! 2>/dev/null || exit 1
    sleep 0.1
done
url=http://127.0.0.1:$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' "$here/service.log")
echo "the service listens at $url; its key, shown this once: $key"

/usr/bin/python3 demo/demo.py "$url" "$key" "$admin"

cat <<END

The service goes on running at $url (log: $here/service.log). Try:
  curl -H 'Authorization: Bearer $key' '$url/v1/predictions/next-purchase/users/12748/recommendations?n=3&fields=*'
  curl -H 'Authorization: Bearer $key' '$url/v1/predictions/next-purchase/columns/colour/values?prefix=r'
  curl -H 'Authorization: Bearer $key' '$url/v1/audiences/group/members?format=csv'
  curl '$url/openapi.json'
  psql '$admin' -c 'SELECT * FROM shortlist.recommendations_next_purchase LIMIT 5'
make demo-stop removes every trace.
END
