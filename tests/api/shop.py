"""The data of the tests: a small synthetic shop that is the same every time, and the real ones.

200 customers, 60 products, 18 months. Four groups of customers buy mostly from a quarter of the
products each, so there is something to learn. And as in every shop: returns, guests, order lines of
products nobody lists, customers who came once and never again, and ids that nobody would choose."""
import contextlib
import datetime
import random
import subprocess

import psycopg2.extras

import daemon

LAST_DAY = datetime.datetime(2024, 6, 30, 18, tzinfo=datetime.timezone.utc)
COLOURS = ("red", "green", "blue", "white", "Navy blue")
ODD_CUSTOMERS = ("with/slash", 'with "quotes"', "emoji 😀", "per%cent", "x" * 1000)
ODD_PRODUCTS = ("A,1", "B/2", "ünïcode")
NEVER, LAPSED = "never-bought", "lapsed"  # customers out of scope

MODELS = [
    {"name": "Customers", "type": "users", "source": "shop", "primary_key": "id",
     "sql": "SELECT id, country FROM toys.customers", "fields": [{"column": "country"}]},
    {"name": "Products", "type": "products", "source": "shop", "table": "toys.products",
     "primary_key": "sku",
     "fields": [{"name": "product_name", "column": "title", "kind": "text"}, {"column": "colour"},
                {"name": "category", "column": "tags", "separator": "|"},
                {"column": "price", "kind": "numeric"}]},
    {"name": "Order lines", "id": "order_lines", "type": "events", "source": "shop",
     "table": "toys.order_lines", "primary_key": "line_id", "user_key": "customer_id",
     "product_key": "sku", "time": "bought_at", "quantity": "quantity", "order_key": "order_no",
     "price": "price"},
]

TABLES = """
CREATE SCHEMA toys;
CREATE TABLE toys.customers (id text PRIMARY KEY, country text);
CREATE TABLE toys.products (sku text PRIMARY KEY, title text, colour text, tags text, price numeric);
CREATE TABLE toys.order_lines (
    line_id integer PRIMARY KEY, order_no text NOT NULL, customer_id text, sku text,
    bought_at timestamptz, quantity integer, price numeric);
GRANT USAGE ON SCHEMA toys TO shortlist_demo;
GRANT SELECT ON ALL TABLES IN SCHEMA toys TO shortlist_demo;
-- What the role may not read, for the check of rights.
CREATE SCHEMA closed;
CREATE TABLE closed.secrets (id integer PRIMARY KEY, secret text);
"""


def make_role(cluster):
    """The role that the service connects as, and the database of its state."""
    cluster.sql(f"CREATE ROLE {daemon.ROLE} LOGIN")
    cluster.sql(f"CREATE DATABASE shortlist OWNER {daemon.ROLE}")
    cluster.sql(f"GRANT CONNECT, CREATE ON DATABASE postgres TO {daemon.ROLE}")


def products():
    skus = [f"P{i:03}" for i in range(60 - len(ODD_PRODUCTS))] + list(ODD_PRODUCTS)
    return [(sku, f"Toy {i}", COLOURS[i % len(COLOURS)] if i % 7 else None,
             "|".join(("toy", f"group {i // 15}")[: 1 + i % 2]), i + 0.5 if i % 10 else None)
            for i, sku in enumerate(skus)]


def customers():
    ids = [f"c{i:03}" for i in range(198 - len(ODD_CUSTOMERS))] + list(ODD_CUSTOMERS)
    return [(customer, ("United Kingdom", "France", "España")[i % 3])
            for i, customer in enumerate(ids + [NEVER, LAPSED])]


def order_lines():
    dice = random.Random(7)
    skus = [product[0] for product in products()]
    lines = []

    def add(order, customer, sku, when, quantity):
        lines.append((len(lines) + 1, order, customer, sku, when, quantity, 1 + len(sku) % 5))

    for number, (customer, _) in enumerate(customers()[:-2]):
        for order in range(dice.randint(4, 9)):
            when = LAST_DAY - datetime.timedelta(hours=dice.randint(0, 18 * 30 * 24))
            for sku in basket(dice, skus, number % 4):
                add(f"{number}-{order}", customer, sku, when, dice.randint(1, 4))
                if dice.random() < 0.05:
                    add(f"R{number}-{order}", customer, sku, when + datetime.timedelta(hours=1), -1)
        # Everybody comes back within the last year.
        add(f"{number}-last", customer, skus[number % 4 * 15], LAST_DAY, 1)
    for guest in range(40):
        add(f"G{guest}", None, skus[guest], LAST_DAY - datetime.timedelta(days=guest), 1)
    for orphan in range(10):
        add(f"O{orphan}", "c000", "POSTAGE", LAST_DAY - datetime.timedelta(days=orphan), 1)
    add("L", LAPSED, skus[0], LAST_DAY - datetime.timedelta(days=400), 2)
    return lines


def basket(dice, skus, group):
    """One to four products, three in four of them of the group's own quarter."""
    chosen = set()
    for _ in range(dice.randint(1, 4)):
        own = dice.random() < 0.75
        chosen.add(skus[group * 15 + min(int(dice.expovariate(0.3)), 14)] if own else dice.choice(skus))
    return sorted(chosen)


def load(cluster):
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for table, rows in (("customers", customers()), ("products", products()),
                            ("order_lines", order_lines())):
            psycopg2.extras.execute_values(cursor, f"INSERT INTO toys.{table} VALUES %s", rows)
        cursor.execute("ANALYZE")


def load_real(cluster, database, loader):
    """One of demo/'s data sets in a database of its own; the connection string for the service."""
    cluster.sql(f"CREATE DATABASE {database}")
    admin = cluster.database(database, user="postgres")
    subprocess.run([daemon.ROOT / "demo" / loader, admin], check=True, timeout=300)
    return cluster.database(database)
