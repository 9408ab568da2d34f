#!/usr/bin/env bash
# Loads UCI Online Retail into the schema "shop" (made anew) and the role "shortlist_demo".
#   demo/load_online_retail.sh CONNECTION    a libpq connection string of a role that may do so
set -euo pipefail

connection=${1:?a libpq connection string}
here=$(cd "$(dirname "$0")" && pwd)

run() {
    psql -X -q -v ON_ERROR_STOP=1 "$@" "$connection"
}

run <<'SQL'
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop;
CREATE UNLOGGED TABLE shop.staging (
    invoice_no text, stock_code text, description text, quantity integer, invoice_date timestamptz,
    unit_price numeric, customer_id text, country text,
    place bigint GENERATED ALWAYS AS IDENTITY);
SQL
xz -dc "$here/data/online_retail.csv.xz" | PGTZ=UTC run -c "\\copy shop.staging (invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country) FROM STDIN CSV HEADER"
run -f "$here/online_retail.sql" >/dev/null
run -v schema=shop -f "$here/role.sql" >/dev/null
