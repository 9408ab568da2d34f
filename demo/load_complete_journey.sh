#!/usr/bin/env bash
# Loads Complete Journey 2.0 into the schema "journey" (made anew) and the role "shortlist_demo".
#   demo/load_complete_journey.sh CONNECTION    a libpq connection string of a role that may do so
set -euo pipefail

connection=${1:?a libpq connection string}
here=$(cd "$(dirname "$0")" && pwd)

run() {
    PGTZ=UTC psql -X -q -v ON_ERROR_STOP=1 "$@" "$connection"
}

# copy TABLE FILE: a missing value is an unquoted empty one.
copy() {
    xz -dc "$here/data/complete_journey_$2.csv.xz" | run -c "\\copy journey.$1 FROM STDIN CSV HEADER"
}

run <<'SQL'
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS journey CASCADE;
CREATE SCHEMA journey;
CREATE TABLE journey.products (
    product_id text, manufacturer_id integer, department text, brand text, product_category text,
    product_type text, package_size text);
CREATE UNLOGGED TABLE journey.staging_transactions (
    household_id integer, store_id integer, basket_id text, product_id text, quantity integer,
    sales_value numeric, retail_disc numeric, coupon_disc numeric, coupon_match_disc numeric,
    week integer, transaction_timestamp timestamptz);
CREATE UNLOGGED TABLE journey.staging_demographics (
    household_id integer, age text, income text, home_ownership text, marital_status text,
    household_size text, household_comp text, kids_count text);
SQL
copy products products
copy staging_transactions transactions
copy staging_demographics demographics
run -f "$here/complete_journey.sql" >/dev/null
run -v schema=journey -f "$here/role.sql" >/dev/null
