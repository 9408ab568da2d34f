#!/usr/bin/python3
"""A whole training end to end: the real service reads generated order lines out of a private
PostgreSQL, chooses, fits, builds and publishes with default settings. Prints the time against the
mark of half an hour for ten million lines, each stage, and peak memory against what `estimate`
said before.

    bench_end_to_end.py [LINES]        default 1,000,000; build/shortlistd must be there"""
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/api"))

import daemon  # noqa: E402
import shop  # noqa: E402

MARK_LINES, MARK_SECONDS, MARK_BYTES = 10_000_000, 30 * 60, 6e9
MEMORY_RATIO = 1.4

# Twenty lines a user and two hundred a product, four to a basket, over two years. Users' numbers of
# orders and products' shares follow power laws. A line is one of the user's eight staples with
# probability 0.3, of one of the user's three groups of products with 0.4, else of any group.
TABLES = """
CREATE SCHEMA big;
SELECT setseed(0.5);
CREATE TABLE big.customers AS
  SELECT 'user-' || i AS id, (ARRAY['North', 'South', 'East', 'West'])[1 + i % 4] AS region
  FROM generate_series(0, {users} - 1) AS i;
CREATE TABLE big.products AS
  SELECT 'product-' || i AS id, 'Product number ' || i AS name, 'group ' || i % {groups} AS category,
    'brand ' || (hashint4(i) & 255) AS brand, (1 + (hashint4(i + 7) & 1023) / 10.0)::float8 AS price
  FROM generate_series(0, {products} - 1) AS i;
CREATE TABLE big.order_lines AS
  WITH drawn AS MATERIALIZED (
    SELECT i, i / 4 AS basket, floor({users} * power(
        (hashint8(i / 4) & 2147483647) / 2147483648.0, 2))::int AS u,
      random() AS kind, random() AS which, random() AS place, random() AS amount
    FROM generate_series(0, {lines}::bigint - 1) AS i),
  placed AS (
    SELECT *, CASE WHEN kind < 0.3 THEN (hashint4(u * 8 + floor(which * 8)::int) & 1023) / 1024.0
                   ELSE place END AS at,
      CASE WHEN kind < 0.7 THEN hashint4(u * 3 + floor(which * 3)::int) & 2147483647
           ELSE floor(which * {groups})::int END AS drawn_group
    FROM drawn)
  SELECT i AS line_id, 'user-' || u AS customer, 'order-' || basket AS order_no,
    'product-' || least({products} - 1, floor(power(at, 3) * {products} / {groups})::int * {groups}
                        + drawn_group % {groups}) AS product,
    '2024-01-01'::timestamptz + basket * (interval '730 days' / ({lines} / 4.0)) AS bought_at,
    1 + floor(amount * 4)::int AS quantity, (1 + floor(amount * 1000) / 10.0)::float8 AS price
  FROM placed;
ANALYZE;
GRANT USAGE ON SCHEMA big TO shortlist_demo;
GRANT SELECT ON ALL TABLES IN SCHEMA big TO shortlist_demo;
"""

MODELS = [
    {"name": "Customers", "type": "users", "source": "shop", "table": "big.customers",
     "primary_key": "id", "fields": [{"column": "region"}]},
    {"name": "Products", "type": "products", "source": "shop", "table": "big.products",
     "primary_key": "id",
     "fields": [{"name": "product_name", "column": "name", "kind": "text"}, {"column": "category"},
                {"column": "brand"}, {"column": "price", "kind": "numeric"}]},
    {"name": "Order lines", "id": "order_lines", "type": "events", "source": "shop",
     "table": "big.order_lines", "primary_key": "line_id", "user_key": "customer",
     "product_key": "product", "time": "bought_at", "quantity": "quantity",
     "order_key": "order_no", "price": "price"},
]


def peak_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the service is gone")


def cpu_seconds(pid):
    """User and system time so far: what a shared machine cannot blur."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def configure(api):
    for model in MODELS:
        api.post("/v1/models", model)
    api.post("/v1/predictions", {
        "id": "big", "name": "big",
        "models": {"users": "customers", "events": "order_lines", "products": "products"}})
    return api.get("/v1/predictions/big/estimate").json()


def train(api):
    """Starts it and follows it to its end; the job."""
    job = api.post("/v1/predictions/big/trainings", {}, expect=202).json()
    stage = None
    while job["state"] in ("queued", "running"):
        time.sleep(1)
        job = api.get(f"/v1/jobs/{job['id']}").json()
        if job["stage"] != stage:
            stage = job["stage"]
            print(f"  {time.strftime('%H:%M:%S')} {stage}", flush=True)
    return job


def report(lines, seconds, cpu, estimate, peak, card):
    mark = MARK_SECONDS * lines / MARK_LINES
    print(f"end to end, {lines:,} order lines, {estimate['users']:,} users, "
          f"{estimate['products']:,} products:")
    print(f"  {seconds:.0f} s, {seconds / mark:.2f} times the mark of {mark:.0f} s; "
          f"{estimate['seconds']:.0f} s were estimated")
    print(f"  {cpu:.0f} s of CPU: at least {cpu / 2 / mark:.2f} times the mark on two cores")
    stages = ", ".join(f"{name} {took:.0f}" for name, took in card["timings"].items())
    print(f"  seconds of stages: {stages}")
    ratio = peak / estimate["memory_bytes"]
    print(f"  peak {peak / 1e6:,.0f} MB, {ratio:.2f} times the {estimate['memory_bytes'] / 1e6:,.0f}"
          f" MB estimated (at most {MEMORY_RATIO}), {peak / MARK_BYTES:.2f} times 6 GB")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # leaving nothing behind
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shortlist-bench-"))
    folder.chmod(0o755)
    cluster = daemon.Cluster(folder / "postgres")
    service = None
    try:
        cluster.start()
        shop.make_role(cluster)
        cluster.sql(TABLES.format(lines=lines, users=lines // 20, products=lines // 200,
                                  groups=50))
        service = daemon.Service(cluster, folder / "service", {"G_SLICE": ""})
        service.start()
        estimate = configure(service.api)
        start = time.monotonic()
        job = train(service.api)
        seconds = time.monotonic() - start
        peak, cpu = peak_bytes(service.process.pid), cpu_seconds(service.process.pid)
        for entry in job["log"]:
            print(f"  {entry['at']} {entry['text']}")
        if job["state"] != "succeeded":
            sys.exit(f"the training ended as {job['state']} after {seconds:.0f} s, peak "
                     f"{peak / 1e6:,.0f} MB: {job['error']}")
        version = service.api.get(f"/v1/predictions/big/versions/{job['version']}").json()
        report(lines, seconds, cpu, estimate, peak, version["card"])
        service.stop()
    finally:
        if service and service.process:
            service.kill()
        cluster.remove()
        shutil.rmtree(folder)


main()
