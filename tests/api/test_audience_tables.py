"""F41: the members of an audience as a table in the shop's database, as analysts read it by SQL, in
good times and bad."""
import re
import signal

import psycopg2
import pytest

import bad_times
from bad_times import end_of, held, job_of, wait_for

READER = "shortlist_crm"
COLUMNS = "user_unique_id, rank, score, probability, model_version, last_update_date"


@pytest.fixture(scope="module")
def worker(services, cluster):
    cluster.sql(f"CREATE ROLE {READER} LOGIN")
    return services("members", SHORTLIST_JOBS_POLL_MS="100", SHORTLIST_SOURCE_SHOP_READER_ROLE=READER)


@pytest.fixture(scope="module")
def desk(services, worker, shop):
    """A daemon on the same queue and files that runs no jobs: it answers while the worker cannot."""
    return services("members_desk", SHORTLIST_JOBS_WORKERS="0", SHORTLIST_DATA_DIR=str(worker.data),
                    SHORTLIST_STATE_SCHEMA=f"state_{worker.name}",
                    SHORTLIST_SOURCE_SHOP_READER_ROLE=READER,
                    SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=f"output_{worker.name}").api


@pytest.fixture(scope="module")
def shop(cluster, worker):
    shop = bad_times.Shop(cluster, "crm").fill(150, 40, 10).configure(worker.api)
    bad_times.train(worker.api, shop.name)
    return shop


@pytest.fixture(autouse=True)
def running(worker, shop):
    """After each test the worker is up."""
    yield
    if not worker.process:
        worker.start()
    worker.process.send_signal(signal.SIGCONT)


class Table:
    """An audience and its table, looked at from the outside."""

    def __init__(self, cluster, worker, audience):
        self.cluster, self.api, self.id = cluster, worker.api, audience
        self.schema = f"output_{worker.name}"
        self.name = f"audience_{audience.replace('-', '_')}"
        self.view = f"{self.schema}.{self.name}"
        self.path = f"/v1/audiences/{audience}"

    def ask(self, api=None):
        return (api or self.api).post(f"{self.path}/table", expect=202).json()["id"]

    def build(self):
        job = end_of(self.api, self.ask())
        assert job["state"] == "succeeded", job
        return job

    def rows(self, where=""):
        return self.cluster.sql(f"SELECT {COLUMNS} FROM {self.view} {where} ORDER BY rank")

    def relations(self):
        """Everything of it in the output schema, and what is being loaded."""
        return {name for name, in self.cluster.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN"
            " ('r', 'p', 'v') AND (starts_with(relname, %s) OR relname LIKE 'shortlist_loading%%')",
            (self.schema, self.name))}

    def build_number(self):
        rows = self.cluster.sql(f"SELECT version FROM {self.schema}.shortlist_pointer"
                                f" WHERE prediction = %s", (f"audience/{self.id}",))
        return rows[0][0] if rows else None

    def check_whole(self):
        """What is read is what the service says, of one build, and nothing is left over."""
        said = self.api.get(self.path).json()["table"]
        rows = self.rows()
        assert said["name"] == self.view and said["members"] == len(rows) > 0
        assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
        assert {row[4] for row in rows} == {said["version"]}
        assert len({row[5] for row in rows}) == 1
        assert self.relations() == {self.name, f"{self.name}_rows",
                                    f"{self.name}_rows_v{self.build_number()}"}
        return rows


@pytest.fixture
def table(cluster, worker, shop):
    """table(id, **audience) is an audience that is gone after the test."""
    made = []

    def make(audience, **body):
        body = body or {"column": "colour", "value": "colour 1", "percentile": 50}
        worker.api.post("/v1/audiences", {"name": audience, "id": audience, "prediction": shop.name,
                                          **body})
        made.append(Table(cluster, worker, audience))
        return made[-1]

    yield make
    if not worker.process:
        worker.start()
    worker.process.send_signal(signal.SIGCONT)
    for each in made:
        each.api = worker.api
        for job in worker.api.pages("/v1/jobs"):
            if job["state"] in ("queued", "running"):
                end_of(worker.api, job["id"])
        if worker.api.send("GET", each.path).status_code == 200:
            worker.api.delete(each.path)


def test_table_has_the_members_as_the_service_lists_them(table, cluster):
    """F41"""
    red = table("red-ones")
    assert red.api.get(red.path).json()["table"] is None
    before = red.api.get(red.path).headers["ETag"]
    job = red.build()
    assert (job["kind"], job["prediction"], job["attempt"]) == ("audience_table", "crm", 1)
    rows = red.check_whole()
    assert job["result"] == {"audience": "red-ones", "table": red.view, "version": 1, "members": len(rows)}
    members = list(red.api.pages(f"{red.path}/members"))
    assert [(m["user"], m["rank"], pytest.approx(m["score"], abs=1e-6)) for m in members] == \
        [row[:3] for row in rows]
    assert [m["probability"] if m["probability"] is None else pytest.approx(m["probability"], abs=1e-6)
            for m in members] == [row[3] for row in rows]
    assert red.api.get(red.path).headers["ETag"] != before
    assert cluster.sql("SELECT column_name, data_type FROM information_schema.columns WHERE"
                       " table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                       (red.schema, red.name)) == [
        ("user_unique_id", "text"), ("rank", "integer"), ("score", "real"), ("probability", "real"),
        ("model_version", "integer"), ("last_update_date", "timestamp with time zone")]


def test_table_of_a_product_not_yet_sold(table):
    """F35, F41"""
    new = table("novelty", attributes=[{"column": "colour", "value": "colour 2"}], max_size=25)
    new.build()
    assert len(new.check_whole()) == 25 and {row[3] for row in new.rows()} == {None}


@pytest.mark.parametrize("user_type, user, found", [
    ("bigint", "u * 1000003::bigint", "bigint"), ("uuid", "md5(u::text)::uuid", "uuid")])
def test_key_has_the_type_of_the_shops_key(worker, cluster, user_type, user, found):
    """F41: so that it joins with the shop's own tables."""
    shop = bad_times.Shop(cluster, f"crm_{user_type}", user_type=user_type)
    shop.fill(60, 20, 8, user=user).configure(worker.api)
    bad_times.train(worker.api, shop.name)
    worker.api.post("/v1/audiences", {"name": user_type, "id": user_type, "prediction": shop.name,
                                      "product": "p1", "percentile": 100})
    typed = Table(cluster, worker, user_type)
    typed.build()
    ((joined,),) = cluster.sql(f"SELECT count(*) FROM {typed.view} JOIN {shop.name}.customers"
                               " ON customers.id = user_unique_id")
    assert joined == len(typed.rows()) > 0
    assert cluster.sql("SELECT data_type FROM information_schema.columns WHERE table_schema = %s AND"
                       " table_name = %s AND ordinal_position = 1", (typed.schema, typed.name)) == [(found,)]
    worker.api.delete(typed.path)


def test_reader_role_may_read_it_and_nothing_else(table, cluster):
    red = table("red")
    red.build()
    reader = cluster.database("postgres", user=READER)
    ((count,),) = cluster.sql(f"SELECT count(*) FROM {red.view}", connection=reader)
    assert count == len(red.rows())
    for refused in (f"DELETE FROM {red.view}", f"SELECT 1 FROM {red.view}_rows LIMIT 1"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.sql(refused, connection=reader)


def test_each_call_replaces_it_at_once(table, shop, cluster):
    """F41: who reads in a transaction goes on reading the one before, whole, and holds nobody up."""
    red = table("red")
    red.build()
    old = red.check_whole()
    red.api.patch(red.path, {"value": "colour 3", "percentile": 30})
    with held(cluster, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as connection:
        cursor = connection.cursor("crm")
        cursor.execute(f"SELECT {COLUMNS} FROM {red.view} ORDER BY rank")
        begun = cursor.fetchmany(10)
        job = red.build()
        assert begun + cursor.fetchall() == old
        new = red.rows()
    assert new != old and job["result"]["members"] == len(new) < len(old)
    assert min(row[5] for row in new) > max(row[5] for row in old)
    red.build()
    assert [row[:5] for row in red.check_whole()] == [row[:5] for row in new]


def test_every_reader_sees_one_build_whole(table, cluster):
    """F41: each query during the replacement is wholly of one."""
    red = table("red")
    red.build()
    counts = f"SELECT last_update_date, count(*) FROM {red.view} GROUP BY 1"
    ((_, rows),) = cluster.sql(counts)
    job, seen = red.ask(), set()
    connection = cluster.connect()
    with connection.cursor() as cursor:
        while job_of(red.api, job)["state"] not in bad_times.ENDED:
            for _ in range(20):
                cursor.execute(counts)
                found = cursor.fetchall()
                assert len(found) == 1 and found[0][1] == rows, found
                seen.add(found[0][0])
    connection.close()
    assert end_of(red.api, job)["state"] == "succeeded" and 1 <= len(seen) <= 2


def test_table_keeps_its_version_until_it_is_asked_for_again(table, shop, worker):
    red = table("red")
    red.build()
    version = bad_times.train(worker.api, shop.name)["version"]
    now = worker.api.get(red.path).json()
    assert (now["version"], now["table"]["version"]) == (version, version - 1)
    red.check_whole()
    red.build()
    assert worker.api.get(red.path).json()["table"]["version"] == version
    red.check_whole()


def test_deleting_the_audience_drops_its_table_and_says_so(table, cluster):
    """F41"""
    red, plain = table("red"), table("plain")
    red.build()
    gone = red.api.delete(red.path)
    assert gone.headers["Dropped-Table"] == red.view
    assert red.relations() == set() and red.build_number() is None
    assert "Dropped-Table" not in plain.api.delete(plain.path).headers
    again = table("red")
    assert again.api.get(again.path).json()["table"] is None


def test_names_that_are_taken_are_left_alone(table, cluster):
    """F41: of another audience, or of somebody else."""
    first, second = table("a-b"), table("a_b")
    first.build()
    job = end_of(second.api, second.ask())
    assert (job["state"], job["error"]["code"]) == ("failed", "conflict")
    assert "audience_a_b" in job["error"]["message"] and '"a_b"' in job["error"]["message"]
    assert second.api.get(second.path).json()["table"] is None
    second.api.delete(second.path)
    first.check_whole()
    taken = table("taken")
    cluster.sql(f"CREATE TABLE {taken.view} (precious int); INSERT INTO {taken.view} VALUES (1)")
    assert end_of(taken.api, taken.ask())["error"]["code"] == "conflict"
    taken.api.delete(taken.path)
    assert cluster.sql(f"SELECT precious FROM {taken.view}") == [(1,)]
    cluster.sql(f"DROP TABLE {taken.view}")


def test_what_cannot_be_built_is_refused_at_once(table, worker):
    worker.api.post("/v1/audiences/nothing/table", expect=404)
    red = table("red")
    other = worker.api.post("/v1/predictions", {"name": "Draft of members"}).json()["id"]
    worker.api.patch(red.path, {"prediction": other}, expect=409)
    worker.api.delete(f"/v1/predictions/{other}")


def hold(table, stage):
    locks = {"publishing": f"LOCK TABLE {table.view}_rows IN SHARE UPDATE EXCLUSIVE MODE",
             "activating": f"LOCK TABLE {table.schema}.shortlist_pointer IN SHARE MODE"}
    return held(table.cluster, locks[stage])


def stands(table, stage, job, api):
    return bad_times.waits_for_lock(table.cluster) and job_of(api, job)["stage"] == stage


def test_one_table_of_an_audience_is_built_at_a_time(table, desk):
    """F41: another audience of the same prediction waits behind it; the audience stays till the end."""
    red, blue = table("red"), table("blue")
    red.build()
    with hold(red, "publishing"):
        job = red.ask()
        wait_for(lambda: bad_times.waits_for_lock(red.cluster), "the table to wait")
        assert "cancel" in red.api.post(f"{red.path}/table", expect=409).json()["hint"]
        behind = blue.ask()
        assert job in red.api.delete(red.path, expect=409).json()["detail"]
    assert end_of(red.api, job)["state"] == end_of(red.api, behind)["state"] == "succeeded"
    red.check_whole()
    blue.check_whole()


@pytest.mark.parametrize("stage", ["publishing", "activating"])
def test_killed_daemon_builds_the_table_again(table, worker, desk, stage):
    """F41: kill -9 in the middle: readers have the one before, and then one whole."""
    red = table("red")
    red.build()
    old = red.rows()
    red.api.patch(red.path, {"value": "colour 3"})
    with hold(red, stage):
        job = red.ask(desk)
        wait_for(lambda: stands(red, stage, job, desk), stage)
        worker.kill()
        assert red.rows() == old
    if stage == "publishing":  # else the server may still move the pointer as it was asked to
        assert red.rows() == old
    worker.start()
    red.api = worker.api
    ended = end_of(desk, job)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
    assert red.check_whole() != old


def test_cancelled_table_leaves_the_one_before(table):
    """F41"""
    red = table("red")
    red.build()
    old, relations = red.rows(), red.relations()
    red.api.patch(red.path, {"value": "colour 3"})
    with hold(red, "publishing"):
        job = red.ask()
        wait_for(lambda: stands(red, "publishing", job, red.api), "publishing")
        red.api.post(f"/v1/jobs/{job}/cancel", expect=202)
        ended = end_of(red.api, job, 20)
    assert ended["state"] == "cancelled" and ended["result"] is None
    assert red.rows() == old and red.relations() == relations
    red.check_whole()


def test_cancel_of_a_table_that_is_whole_comes_too_late(table):
    """F41: what is finished is published."""
    red = table("red")
    red.build()
    old = red.rows()
    red.api.patch(red.path, {"value": "colour 3"})
    with hold(red, "activating"):
        job = red.ask()
        wait_for(lambda: stands(red, "activating", job, red.api), "activating")
        red.api.post(f"/v1/jobs/{job}/cancel", expect=202)
        wait_for(lambda: job_of(red.api, job)["cancel_requested"], "the request")
    assert end_of(red.api, job)["state"] == "succeeded"
    assert red.check_whole() != old


@pytest.mark.parametrize("stage", ["publishing", "activating"])
def test_postgresql_stopped_in_the_middle_is_survived(table, worker, cluster, stage):
    """F41: the job ends after another attempt, or says why not; never by half."""
    red = table("red")
    red.build()
    with hold(red, stage):
        job = red.ask()
        wait_for(lambda: stands(red, stage, job, red.api), stage)
        cluster.stop()
    wait_for(lambda: worker.api.get("/readyz").json()["database"] == "down", "the outage is seen")
    cluster.start()
    assert end_of(worker.api, job)["state"] == "succeeded"
    red.check_whole()


def test_paused_worker_does_not_replace_what_the_next_one_built(table, services, worker, desk, cluster):
    """F41: it lost its lease while it stood; what it woke up with is not published."""
    red = table("red")
    red.build()
    other = services("members_other", start=False, SHORTLIST_JOBS_POLL_MS="100",
                     SHORTLIST_STATE_SCHEMA=f"state_{worker.name}",
                     SHORTLIST_DATA_DIR=str(worker.data),
                     SHORTLIST_SOURCE_SHOP_READER_ROLE=READER,
                     SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=f"output_{worker.name}")
    with hold(red, "publishing"):
        job = red.ask(desk)
        wait_for(lambda: stands(red, "publishing", job, desk), "publishing")
        worker.process.send_signal(signal.SIGSTOP)
        desk.patch(red.path, {"value": "colour 3"})
        other.start()
        wait_for(lambda: job_of(desk, job)["attempt"] == 2, "the take-over")
    ended = end_of(desk, job)
    rows = red.rows()
    worker.process.send_signal(signal.SIGCONT)
    lost = f'"job":"{job}","kind":"audience_table","prediction":"crm","attempt":1,"outcome":"lost"'
    wait_for(lambda: lost in worker.log(), "the loser's end")
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
    assert red.check_whole() == rows
    other.stop()


def test_role_without_rights_gets_the_grant_to_run(services, cluster):
    """F41: as the output table: what fails says what to run, and then it works."""
    service = services("members_poor", SHORTLIST_JOBS_POLL_MS="100")
    shop = bad_times.Shop(cluster, "poor").fill(60, 20, 8).configure(service.api)
    bad_times.train(service.api, shop.name)
    service.api.post("/v1/audiences", {"name": "poor", "id": "poor", "prediction": shop.name,
                                       "product": "p1", "percentile": 100})
    poor = Table(cluster, service, "poor")
    cluster.sql(f"ALTER SCHEMA {poor.schema} OWNER TO postgres")
    job = end_of(poor.api, poor.ask())
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid"), job
    grant = re.search(r"GRANT .* TO \w+", job["error"]["message"]).group()
    assert poor.api.get(poor.path).json()["table"] is None
    cluster.sql(grant)
    poor.build()
    poor.check_whole()
    poor.api.delete(poor.path)
    assert poor.relations() == set()
