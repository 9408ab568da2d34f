"""Shops made up for one bad time each, trainings that stand still in a stage, and what must hold
after whatever happened: one version, whole, or none."""
import contextlib
import signal
import time

import client

STAGES = ("reading", "choosing", "fitting", "building", "publishing", "activating")
ENDED = ("succeeded", "failed", "cancelled")


def wait_for(condition, what, seconds=60, longest_pause=0.05):
    """The first true value of condition(); looks again until then, ever less often: what takes long
    needs the processor more than we do."""
    end, pause = time.monotonic() + seconds, 0.005
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(pause)
        pause = min(pause * 1.2, longest_pause)
    raise AssertionError(f"{what}: not within {seconds} s")


class Shop:
    """A schema of three tables in the source, their models and one prediction, all of one name."""

    def __init__(self, cluster, name, user_type="text", product_type="text"):
        self.cluster, self.name = cluster, name
        cluster.sql(f"""
            CREATE SCHEMA {name};
            CREATE TABLE {name}.customers (id {user_type}, country text);
            CREATE TABLE {name}.products (sku {product_type}, title text, colour text);
            CREATE TABLE {name}.lines (line_id bigint, customer_id {user_type}, sku {product_type},
                                       bought_at timestamptz, quantity numeric);
            GRANT USAGE ON SCHEMA {name} TO shortlist_demo;
            GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO shortlist_demo""")

    def sql(self, text, values=None):
        """Runs it; {} in it is the shop's schema."""
        return self.cluster.sql(text.replace("{}", self.name), values)

    def add(self, table, rows):
        """Rows as lists of Python values."""
        with contextlib.closing(self.cluster.connect()) as connection, connection.cursor() as cursor:
            for row in rows:
                places = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO {self.name}.{table} VALUES ({places})", row)

    def fill(self, users, products, lines_each, user="'u' || u", product="'p' || p"):
        """Lines of the year 2024: customers of four groups, each with a quarter of the products to
        its taste. `user` and `product` make the keys of numbers u and p."""
        self.sql(f"""
            INSERT INTO {{}}.customers SELECT {user}, 'country ' || u %% 3
                FROM generate_series(1, %(users)s) AS u;
            INSERT INTO {{}}.products SELECT {product}, 'title ' || p, 'colour ' || p %% 4
                FROM generate_series(1, %(products)s) AS p;
            INSERT INTO {{}}.lines
                SELECT n, {user}, {product}, timestamptz '2024-12-30 12:00+00'
                       - (hashint4(n) & 31535999) * interval '1 second', 1 + n %% 3
                FROM (SELECT n, 1 + n %% %(users)s AS u,
                             1 + (n %% %(users)s %% 4 * %(products)s / 4
                                  + (hashint4(n + 77) & 1023) * (hashint4(n + 5) & 1023) / 1048576.0
                                    * %(products)s / 2)::int %% %(products)s AS p
                      FROM generate_series(1, %(lines)s) AS n) AS drawn;
            ANALYZE {{}}.customers; ANALYZE {{}}.products; ANALYZE {{}}.lines""",
                 {"users": users, "products": products, "lines": users * lines_each})
        return self

    def configure(self, api, events=None, **prediction):
        """The models and the prediction, over the API."""
        def model(kind, body):
            base = {"name": f"{kind} of {self.name}", "id": f"{self.name}_{kind}", "type": kind,
                    "source": "shop"}
            api.post("/v1/models", {**base, **body})
            return base["id"]

        models = {
            "users": model("users", {"table": f"{self.name}.customers", "primary_key": "id",
                                     "fields": [{"column": "country"}]}),
            "products": model("products", {
                "table": f"{self.name}.products", "primary_key": "sku",
                "fields": [{"column": "title", "kind": "text"}, {"column": "colour"}]}),
            "events": model("events", {
                "table": f"{self.name}.lines", "primary_key": "line_id", "user_key": "customer_id",
                "product_key": "sku", "time": "bought_at", "quantity": "quantity",
                **(events or {})})}
        api.post("/v1/predictions", {"name": self.name, "id": self.name, "models": models,
                                     "purchased_items": "allow", **prediction})
        return self

    def shake(self):
        """Everybody bought something else, so that the next version has other lists."""
        self.sql("UPDATE {}.lines SET sku = 'p' || 1 + (substr(sku, 2)::int + 11)"
                 " % (SELECT count(*) FROM {}.products)")

    def gated(self):
        """Reads through a view that stands still while the gate (see Gate) is shut."""
        self.sql("""
            CREATE FUNCTION {}.gate() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
            BEGIN
                WHILE current_query() LIKE 'COPY%'
                      AND NOT pg_try_advisory_xact_lock_shared(hashtext('{}')) LOOP
                    PERFORM pg_sleep(0.01);
                END LOOP;
                RETURN true;
            END $$;
            CREATE VIEW {}.gated_lines AS SELECT * FROM {}.lines WHERE (SELECT {}.gate());
            GRANT SELECT ON {}.gated_lines TO shortlist_demo""")
        return self


def start(api, prediction, **body):
    return api.post(f"/v1/predictions/{prediction}/trainings", body, expect=202).json()["id"]


def job_of(api, job):
    return api.get(f"/v1/jobs/{job}").json()


def end_of(api, job, seconds=90):
    """The job once it has ended."""
    def ended():
        answer = api.send("GET", f"/v1/jobs/{job}")
        return answer.status_code == 200 and answer.json()["state"] in ENDED and answer.json()
    return wait_for(ended, f"end of job {job}", seconds)


@contextlib.contextmanager
def stopped_between(service, api, begin, look):
    """Stops the process while a job of begin() stands between two points; look(), called before it
    begins, gives how to ask whether each has come. The job may run through before we look: then
    another one. Asks an `api` that answers while the process cannot."""
    try:
        for _ in range(20):
            log, (has_come, has_gone) = service.log_size(), look()
            job = begin()
            ended = f'"message":"job ended","job":"{job}"'  # costs the worker less than a request
            wait_for(lambda: has_come() or ended in service.log(log), f"job {job}", longest_pause=0.005)
            service.process.send_signal(signal.SIGSTOP)
            if has_come() and not has_gone():
                break
            service.process.send_signal(signal.SIGCONT)
            end_of(api, job)
        else:
            raise AssertionError("no job was ever met in between")
        yield job
    finally:
        if service.process:
            service.process.send_signal(signal.SIGCONT)


def train(api, prediction, **body):
    job = end_of(api, start(api, prediction, **body))
    assert job["state"] == "succeeded", job
    return job


def refused(api, prediction):
    """The error of a training that fails at the first attempt."""
    job = end_of(api, start(api, prediction))
    assert job["state"] == "failed" and job["attempt"] == 1 and job["version"] is not None, job
    return job["error"]


@contextlib.contextmanager
def held(cluster, sql, database=None):
    """A transaction that did `sql` and stays open; its connection, which may have died since."""
    connection = cluster.connect(database)
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute(sql)
    try:
        yield connection
    finally:
        connection.close()


def gate_shut(cluster, shop):
    return held(cluster, f"SELECT pg_advisory_xact_lock(hashtext('{shop}'))")


def stands_at_gate(cluster):
    return cluster.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'shortlist'"
                       " AND query LIKE 'COPY%' AND wait_event = 'PgSleep'")


def waits_for_lock(cluster):
    return cluster.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'shortlist output'"
                       " AND wait_event_type = 'Lock'")


class State:
    """What a service has stored of one prediction, looked at from the outside."""

    def __init__(self, service, cluster, prediction):
        self.service, self.cluster, self.prediction = service, cluster, prediction
        self.output = f"output_{service.name}"
        self.view = f"{self.output}.recommendations_{prediction}"

    def stored(self, sql):
        return self.cluster.sql(sql.replace("{}", f"state_{self.service.name}"),
                                connection=self.cluster.database("shortlist"))

    def versions(self):
        return dict(self.stored(f"SELECT version, active FROM {{}}.version"
                                f" WHERE prediction = '{self.prediction}'"))

    def active(self):
        return next((v for v, active in self.versions().items() if active), None)

    def pointer(self):
        rows = self.cluster.sql(f"SELECT version FROM {self.output}.shortlist_pointer"
                                f" WHERE prediction = %s", (self.prediction,))
        return rows[0][0] if rows else None

    def tables(self):
        """Tables of single versions, attached or not, loading or loaded."""
        return {name: attached for name, attached in self.cluster.sql(
            "SELECT c.relname, i.inhrelid IS NOT NULL AND NOT i.inhdetachpending FROM pg_class c"
            " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"
            " AND (c.relname LIKE 'shortlist_loading%%' OR c.relname LIKE %s)",
            (self.output, f"recommendations_{self.prediction}_rows_v%"))}

    def files(self):
        return sorted(p.name for p in (self.service.data / self.prediction).glob("*"))

    def rows(self):
        return self.cluster.sql(f"SELECT user_unique_id, ranking, score, model_version, primary_key,"
                                f" recommended_item_id, last_update_date FROM {self.view}"
                                f" ORDER BY 1, 2")

    def served(self, user="u1"):
        return self.service.api.get(
            f"/v1/predictions/{self.prediction}/users/{client.part(user)}/recommendations").json()

    def check_whole(self, user="u1"):
        """One active version, and everything is of it: pointer, table, file, what is served."""
        versions = self.versions()
        active = [version for version, is_active in versions.items() if is_active]
        assert len(active) == 1 and self.pointer() == active[0], (versions, self.pointer())
        tables = {f"recommendations_{self.prediction}_rows_v{version}": True for version in versions}
        assert self.tables() == tables
        of_files = [int(name[1:].split("-")[0]) for name in self.files()]
        assert sorted(of_files) == sorted(versions), self.files()
        assert all(name.endswith(".snapshot") for name in self.files()), self.files()
        check_rows(self.rows(), active[0])
        wait_for(lambda: self.served(user)["version"] == active[0], "the active version is served")
        return active[0]


def check_rows(rows, version):
    """Ranks dense from 1, score 1 at rank 1 and never rising, all of one version."""
    assert rows and {row[3] for row in rows} == {version}
    lists = {}
    for user, rank, score, *_ in rows:
        lists.setdefault(user, []).append((rank, score))
    for user, ranked in lists.items():
        assert [rank for rank, _ in ranked] == list(range(1, len(ranked) + 1)), user
        scores = [score for _, score in ranked]
        assert scores[0] == 1 and scores == sorted(scores, reverse=True) and scores[-1] >= 0, user
