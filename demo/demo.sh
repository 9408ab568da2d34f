#!/usr/bin/env bash
# make demo: from a fresh clone to recommendations on real data. Everything it makes stands in one
# folder outside the clone, so that PostgreSQL's own user can reach it when root runs this.
#   demo/demo.sh          build, load, serve, train, show; leaves the service running
#   demo/demo.sh stop     stops all of it and removes the folder
set -euo pipefail
cd "$(dirname "$0")/.."
here=${TMPDIR:-/tmp}/shortlist-demo-$(id -u)

stop() {
    if [ -f "$here/service.pid" ]; then
        local pid
        pid=$(cat "$here/service.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    fi
    [ ! -d "$here/postgres" ] || tests/cluster remove "$here/postgres"
    rm -rf "$here"
}

if [ "${1:-}" = stop ]; then
    stop
    echo "the demo is gone"
    exit 0
fi

deploy/packages build demo
make --no-print-directory -j"$(nproc)" all
stop
mkdir -p "$here"
chmod 755 "$here"
trap 'echo "the demo failed; its log: $here/service.log; make demo-stop removes it" >&2' ERR

echo "starting a private PostgreSQL in $here/postgres"
admin=$(tests/cluster start "$here/postgres")
port=$(cat "$here/postgres/port")
echo "loading 541,909 real order lines"
demo/load_online_retail.sh "$admin" >"$here/load.log" 2>&1
psql "$admin" -qXc 'CREATE DATABASE shortlist OWNER shortlist_demo' >>"$here/load.log"

# The service gets a role that may read the shop's tables and make one schema of its own.
export SHORTLIST_SOURCE_SHOP_CONNECTION="host=127.0.0.1 port=$port user=shortlist_demo dbname=postgres"
export SHORTLIST_STATE_CONNECTION="host=127.0.0.1 port=$port user=shortlist_demo dbname=shortlist"
export SHORTLIST_DATA_DIR="$here/snapshots"
export SHORTLIST_SERVER_PORT=${PORT:-0}
export OPENBLAS_NUM_THREADS=1

key=$(build/shortlistd keys create --name demo --scope admin)
nohup build/shortlistd serve >"$here/service.out" 2>"$here/service.log" &
echo $! >"$here/service.pid"
for _ in $(seq 100); do
    grep -q '"listening"' "$here/service.log" && break
    kill -0 "$(cat "$here/service.pid")"
    sleep 0.1
done
url=http://127.0.0.1:$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' "$here/service.log")
echo "the service listens at $url; its key, shown this once: $key"

/usr/bin/python3 demo/demo.py "$url" "$key" "$admin"

cat <<END

The service goes on running at $url (log: $here/service.log). Try:
  curl -H 'Authorization: Bearer $key' '$url/v1/predictions/next-purchase/users/12748/recommendations?n=3&fields=*'
  curl -H 'Authorization: Bearer $key' '$url/v1/predictions/next-purchase/columns/colour/values?prefix=r'
  curl -H 'Authorization: Bearer $key' '$url/v1/audiences/group/members?format=csv' | head
  curl '$url/openapi.json'
  psql '$admin' -c 'SELECT * FROM shortlist.recommendations_next_purchase LIMIT 5'
make demo-stop removes every trace.
END
