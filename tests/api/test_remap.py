"""F5: a mapping is live at once. A change of the products model, or a request, brings the columns of
the version that serves up to date, by a short job and without a training."""
import contextlib
import itertools

import pytest

import bad_times
from bad_times import State, end_of, held, job_of, start, train, wait_for
from client import part

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def worker(services):
    return services("remap", SHORTLIST_DATA_VERSIONS_KEPT="5", SHORTLIST_JOBS_POLL_MS="100")


@pytest.fixture(autouse=True)
def running(worker):
    """After each test the worker is up."""
    yield
    if not worker.process:
        worker.start()


class Mapped:
    """A shop of its own whose products are read through a gate, and its prediction."""

    def __init__(self, cluster, worker):
        self.cluster, self.name = cluster, f"mapped{next(NUMBERS)}"
        self.shop = bad_times.Shop(cluster, self.name).fill(60, 20, 8).gated()
        self.shop.sql("""
            ALTER TABLE {}.products ADD COLUMN brand text, ADD COLUMN weight numeric;
            UPDATE {}.products SET brand = CASE WHEN substr(sku, 2)::int % 2 = 0 THEN 'even|all'
                                                ELSE 'odd|all' END, weight = substr(sku, 2)::int;
            CREATE VIEW {}.gated_products AS SELECT * FROM {}.products WHERE (SELECT {}.gate());
            GRANT SELECT ON {}.gated_products TO shortlist_demo""")
        self.shop.configure(worker.api)
        self.worker, self.state = worker, State(worker, cluster, self.name)
        self.model = f"/v1/models/{self.name}_products"
        self.path = f"/v1/predictions/{self.name}"
        self.api.patch(self.model, {"table": f"{self.name}.gated_products"})

    @property
    def api(self):
        return self.worker.api

    def map(self, *fields):
        """Changes the mapping; the job that this queued, None when it queued none."""
        changed = self.api.patch(self.model, {"fields": list(fields)}).json()
        assert [job["prediction"] for job in changed["jobs"]] in ([], [self.name])
        return changed["jobs"][0]["id"] if changed["jobs"] else None

    def mapped(self, *fields):
        """Changes the mapping and waits; the job."""
        return self.ended(self.map(*fields))

    def refresh(self, **more):
        return self.api.post(f"{self.path}/columns/refresh", expect=202, **more).json()["id"]

    def ended(self, job, state="succeeded"):
        job = end_of(self.api, job)
        assert job["kind"] == "remap" and job["state"] == state, job
        return job

    def columns(self):
        return {c["name"]: c["kind"] for c in self.api.get(f"{self.path}/columns").json()["items"]
                if c["name"] != "product"}

    def lists(self):
        """What is recommended to everybody, without the columns."""
        return {u: [(i["product"], i["score"]) for i in self.recommend(f"u{u}")["items"]]
                for u in range(1, 61)}

    def recommend(self, user="u1"):
        return self.api.get(f"{self.path}/users/{user}/recommendations?fields=*").json()

    def fields(self, user="u1"):
        return {item["product"]: item["fields"] for item in self.recommend(user)["items"]}

    def values(self, column):
        return {v["value"]: v["products"]
                for v in self.api.pages(f"{self.path}/columns/{column}/values")}

    def stands(self):
        wait_for(lambda: bad_times.stands_at_gate(self.cluster), "a job at the gate")

    def gate_shut(self):
        return bad_times.gate_shut(self.cluster, self.name)

    def files(self):
        return self.state.files()


TITLE = {"column": "title", "kind": "text"}
COLOUR = {"column": "colour"}
BRAND = {"column": "brand", "separator": "|"}


@pytest.fixture(scope="module")
def plain(cluster, worker):
    """Trained once; every test begins with title and colour mapped."""
    shop = Mapped(cluster, worker)
    train(worker.api, shop.name)
    return shop


@pytest.fixture
def shop(plain):
    if plain.columns() != {"title": "text", "colour": "categorical"}:
        plain.mapped(TITLE, COLOUR)
    return plain


def test_new_column_is_live_without_a_training(shop):
    """F5: in recommendations, drop-downs, popular lists and audiences; the lists stay as they are."""
    before, version = shop.lists(), shop.recommend()["version"]
    shop.api.get(f"{shop.path}/columns/brand/values", expect=409)
    job = shop.mapped(TITLE, COLOUR, BRAND)
    assert job["version"] is None and job["result"] == {
        "version": version, "columns": 3, "added": ["brand"], "removed": [], "products": 20,
        "vanished_products": 0, "new_products": 0, "left_out_rows": 0}
    assert shop.lists() == before and shop.recommend()["version"] == version
    assert list(shop.columns()) == ["title", "colour", "brand"]
    for product, fields in shop.fields().items():
        parity = "even" if int(product[1:]) % 2 == 0 else "odd"
        assert fields["brand"] == [parity, "all"]
    values = shop.values("brand")
    assert set(values) == {"all", "even", "odd"} and values["all"] == values["even"] + values["odd"]
    popular = shop.api.get(f"{shop.path}/popular?column=brand&value=odd&n=50").json()["items"]
    assert {int(item["product"][1:]) % 2 for item in popular} == {1} and len(popular) == values["odd"]
    made = shop.api.post("/v1/audiences", {"name": "Odd", "prediction": shop.name, "column": "brand",
                                           "value": "odd", "max_size": 5}).json()
    assert made["size"] == 5
    shop.api.delete(f"/v1/audiences/{made['id']}")
    assert len(shop.files()) <= 2 and [v["version"] for v in shop.api.pages(f"{shop.path}/versions")] == [1]


@pytest.mark.parametrize("field, kind, value", [
    ({"column": "brand"}, "categorical", "even|all"),
    ({"column": "brand", "kind": "text"}, "text", "even|all"),
    ({"column": "weight", "kind": "numeric", "name": "brand"}, "numeric", 2),
    ({"column": "title", "name": "brand"}, "categorical", "title 2")])
def test_separator_kind_and_column_change_as_well(shop, field, kind, value):
    shop.mapped(TITLE, BRAND)
    result = shop.mapped(TITLE, field)["result"]
    assert result["columns"] == 2 and result["added"] == result["removed"] == []
    assert shop.columns()["brand"] == kind
    user = next(u for u in range(1, 61) if "p2" in shop.fields(f"u{u}"))
    assert shop.fields(f"u{user}")["p2"]["brand"] == value


def test_column_that_is_no_longer_mapped_goes(shop):
    assert shop.mapped(COLOUR)["result"]["removed"] == ["title"]
    assert list(shop.columns()) == ["colour"]
    assert "map it" in shop.api.get(f"{shop.path}/columns/title/values", expect=409).json()["hint"]
    assert shop.map() and wait_for(lambda: not shop.columns(), "no column at all")


def test_values_are_read_again_on_request(cluster, worker):
    """Prices and colours change every night; new products wait for the training, gone ones are bare."""
    shop = Mapped(cluster, worker)
    train(worker.api, shop.name)
    before = shop.lists()
    some = list(shop.fields())[0]
    shop.shop.sql("UPDATE {}.products SET colour = 'mauve'")
    shop.shop.sql("DELETE FROM {}.products WHERE sku = %s", (some,))
    shop.shop.sql("INSERT INTO {}.products (sku, colour) VALUES ('fresh', 'mauve'), ('p2', 'twice'),"
                  " (NULL, 'none')")
    result = shop.ended(shop.refresh())["result"]
    assert (result["products"], result["vanished_products"], result["new_products"],
            result["left_out_rows"]) == (19, 1, 1, 2)
    assert set(shop.values("colour")) == {"mauve"} and shop.lists() == before
    assert shop.fields()[some] == {"title": None, "colour": None}


def test_order_of_the_table_does_not_matter(cluster, worker):
    shop = Mapped(cluster, worker)
    train(worker.api, shop.name)
    before = {u: shop.fields(f"u{u}") for u in range(1, 61)}
    shop.shop.sql("CREATE TABLE {}.other AS SELECT * FROM {}.products ORDER BY md5(sku);"
                  " TRUNCATE {}.products; INSERT INTO {}.products SELECT * FROM {}.other")
    shop.ended(shop.refresh())
    assert {u: shop.fields(f"u{u}") for u in range(1, 61)} == before


def test_change_that_maps_nothing_queues_nothing(shop):
    assert shop.api.patch(shop.model, {"description": "toys"}).json()["jobs"] == []
    assert shop.api.patch(f"/v1/models/{shop.name}_users", {"fields": None}).json()["jobs"] == []
    assert shop.map(TITLE, COLOUR) is None
    assert "jobs" not in shop.api.get(shop.model).json()


def test_what_is_on_its_way_says_so(shop):
    """F5: the 409 of a column that is mapped but not read yet names the job, or the way to one."""
    values = f"{shop.path}/columns/brand/values"
    with shop.gate_shut():
        job = shop.map(TITLE, COLOUR, BRAND)
        shop.stands()
        answer = shop.api.get(values, expect=409).json()
        assert answer["code"] == "not_ready" and f"/v1/jobs/{job}" in answer["hint"]
        assert list(shop.columns()) == ["title", "colour"], "the old columns serve on"
        shop.api.post(f"/v1/jobs/{job}/cancel", expect=202)
        shop.ended(job, "cancelled")
    assert f"POST {shop.path}/columns/refresh" in shop.api.get(values, expect=409).json()["hint"]
    shop.ended(shop.refresh())
    shop.api.get(values)


def test_change_under_a_running_job_is_not_lost(shop):
    """The job that runs has read its mapping already: another follows, once however often it changes."""
    with shop.gate_shut():
        first = shop.map(TITLE, COLOUR, BRAND)
        shop.stands()
        second = shop.map(TITLE)
        assert second != first and shop.map(TITLE, {"column": "weight"}) == second
        assert shop.refresh() == second, "who asks is given the one that waits"
    assert shop.ended(first)["result"]["columns"] == 3
    assert shop.ended(second)["result"]["columns"] == 2
    assert list(shop.columns()) == ["title", "weight"]


def test_mapping_that_changed_back_under_a_running_job_is_followed_too(shop):
    """The version is not behind while the job runs, but is once the job has ended."""
    with shop.gate_shut():
        first = shop.map(TITLE, COLOUR, BRAND)
        shop.stands()
        assert shop.map(TITLE, COLOUR) is None
    shop.ended(first)
    wait_for(lambda: list(shop.columns()) == ["title", "colour"], "the mapping of now")


def test_change_during_a_training_outlives_it(shop):
    """The training works on its copy; the job runs behind it, on the version that it made."""
    before = shop.recommend()["version"]
    with shop.gate_shut():
        training = start(shop.api, shop.name)
        shop.stands()
        job = shop.map(COLOUR, BRAND)
        assert job_of(shop.api, job)["state"] == "queued"
    version = end_of(shop.api, training)["result"]["version"]
    assert shop.ended(job)["result"]["version"] == version > before
    assert list(shop.columns()) == ["colour", "brand"] and shop.recommend()["version"] == version


def test_change_during_the_first_training_outlives_it(cluster, worker):
    """There is no version to map yet, so nothing is queued before the training has made one."""
    shop = Mapped(cluster, worker)
    with shop.gate_shut():
        training = start(shop.api, shop.name)
        shop.stands()
        assert shop.map(BRAND) is None
    assert end_of(shop.api, training)["state"] == "succeeded"
    wait_for(lambda: list(shop.columns()) == ["brand"], "the mapping of now")
    job = next(shop.api.pages(f"/v1/jobs?prediction={shop.name}"))
    assert job["kind"] == "remap" and shop.ended(job["id"])["result"]["added"] == ["brand"]


def test_training_that_knows_the_change_needs_no_job(shop):
    shop.mapped(BRAND)
    count = len(list(shop.api.pages(f"/v1/jobs?prediction={shop.name}")))
    train(shop.api, shop.name)
    assert len(list(shop.api.pages(f"/v1/jobs?prediction={shop.name}"))) == count + 1
    assert list(shop.columns()) == ["brand"]


def test_older_version_that_is_activated_is_brought_up_to_date(shop):
    train(shop.api, shop.name)
    newest = shop.recommend()["version"]
    shop.mapped(TITLE, BRAND)
    shop.api.post(f"{shop.path}/versions/{newest - 1}/activate", expect=200)
    wait_for(lambda: list(shop.columns()) == ["title", "brand"], "the mapping of now")
    assert shop.recommend()["version"] == newest - 1
    wait_for(lambda: not list(shop.api.pages(f"/v1/jobs?prediction={shop.name}&state=running")), "the end")
    shop.api.post(f"{shop.path}/versions/{newest}/activate", expect=200)
    assert list(shop.columns()) == ["title", "brand"]


def test_cursors_and_tags_are_of_one_mapping(shop):
    shop.mapped(COLOUR, BRAND)
    body = {"name": "All", "prediction": shop.name, "column": "brand", "value": "all", "max_size": 3}
    made = shop.api.post("/v1/audiences", body).json()["id"]
    audience, values = f"/v1/audiences/{made}", f"{shop.path}/columns/brand/values?limit=1"
    members = f"{audience}/members?limit=1"
    tag = shop.api.get(audience).headers["ETag"]
    cursors = [shop.api.get(path).json()["next_cursor"] for path in (values, members)]
    assert shop.api.get(audience).json()["size"] == 3
    shop.mapped({"column": "colour", "name": "brand"})
    for path, cursor in zip((values, members), cursors):
        answer = shop.api.get(f"{path}&cursor={part(cursor)}", expect=409).json()
        assert answer["code"] == "conflict"
    now = shop.api.get(audience, headers={"If-None-Match": tag}).json()
    assert now["size"] == 0 and "brand" in now["short_because"]
    shop.api.delete(audience)


# ---- what goes wrong ----

@pytest.mark.parametrize("change, named", [("ALTER TABLE {}.products RENAME colour TO color", "colour"),
                                           ("DROP VIEW {}.gated_products", "gated_products")])
def test_job_that_cannot_read_fails_and_the_old_columns_serve(cluster, worker, change, named):
    shop = Mapped(cluster, worker)
    if named == "colour":
        shop.api.patch(shop.model, {"table": f"{shop.name}.products"})
    train(worker.api, shop.name)
    before, files = shop.recommend(), shop.files()
    shop.shop.sql(change)
    error = shop.ended(shop.refresh(), "failed")["error"]
    assert error["code"] == "invalid" and named in error["message"], error
    assert shop.recommend() == before and shop.files() == files


def test_job_that_finds_no_product_leaves_the_columns(shop):
    """An empty table in the middle of the night, or another key, is no wish to lose every column."""
    before = shop.recommend()
    changed = shop.api.patch(shop.model, {"primary_key": "title"}).json()
    error = shop.ended(changed["jobs"][0]["id"], "failed")["error"]
    assert error["code"] == "invalid" and "none of the 20 products" in error["message"], error
    assert shop.recommend() == before
    assert shop.ended(shop.api.patch(shop.model, {"primary_key": "sku", "fields": [COLOUR]})
                      .json()["jobs"][0]["id"])["result"]["products"] == 20


def test_cancelled_job_leaves_nothing(shop):
    before, files = shop.recommend(), shop.files()
    with shop.gate_shut():
        job = shop.refresh()
        shop.stands()
        shop.api.post(f"/v1/jobs/{job}/cancel", expect=202)
        assert shop.ended(job, "cancelled")["result"] is None
    assert shop.recommend() == before and shop.files() == files


@contextlib.contextmanager
def standing(stage, shop):
    """A job for the mapping to colour and brand that is held in a stage."""
    with shop.gate_shut() as gate:
        job = shop.map(COLOUR, BRAND)
        shop.stands()
        if stage == "reading":
            yield job
            return
        with held_version(shop):
            gate.close()
            wait_for(lambda: waits_to_save(shop), "a job that waits to save")
            yield job


@contextlib.contextmanager
def held_version(shop):
    """Nobody changes the version meanwhile."""
    connection = shop.cluster.connect(shop.cluster.database("shortlist"))
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM state_{shop.worker.name}.version WHERE prediction = %s FOR UPDATE",
                       (shop.name,))
    try:
        yield
    finally:
        connection.close()


def waits_to_save(shop):
    return shop.cluster.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND query LIKE '%UPDATE version SET file%'")


def check_whole(shop, job):
    assert list(shop.columns()) == ["colour", "brand"]
    names = shop.files()
    assert all(name.endswith(".snapshot") for name in names), names
    stored = dict(shop.state.stored(
        f"SELECT file, active FROM {{}}.version WHERE prediction = '{shop.name}'"))
    assert set(stored) <= set(names) and len(names) <= len(stored) + 1, "beside them, the one before"
    jobs = [j for j in shop.api.pages(f"/v1/jobs?prediction={shop.name}") if j["id"] == job]
    assert [j["state"] for j in jobs] == ["succeeded"]


@pytest.mark.parametrize("stage", ["reading", "activating"])
def test_killed_daemon_runs_the_job_to_its_end_once(shop, stage):
    """F5, F17: kill -9 while the products are read, and when the file is there but not the version's."""
    before, files = shop.lists(), shop.files()
    with standing(stage, shop) as job:
        assert (shop.files() != files) == (stage == "activating")
        shop.worker.kill()
    shop.worker.start()
    ended = shop.ended(job)
    assert ended["attempt"] == 2 and ended["result"]["added"] == ["brand"]
    check_whole(shop, job)
    assert shop.lists() == before


@pytest.mark.parametrize("stage", ["reading", "activating"])
def test_postgresql_stopped_under_the_job_is_survived(shop, stage):
    """F5, F17: source and state are away at once; what serves goes on, and the job ends later."""
    with standing(stage, shop) as job:
        shop.cluster.stop()
    wait_for(lambda: shop.api.get("/readyz").json()["database"] == "down", "the outage is seen")
    assert list(shop.columns()) == ["title", "colour"]
    shop.cluster.start()
    assert shop.ended(job)["attempt"] >= 2
    check_whole(shop, job)


def test_restart_serves_the_new_columns(shop):
    shop.mapped(COLOUR, BRAND)
    shop.worker.kill()
    shop.worker.start()
    assert list(shop.columns()) == ["colour", "brand"]
    check_whole(shop, next(shop.api.pages(f"/v1/jobs?prediction={shop.name}"))["id"])


def test_daemon_on_the_same_folder_follows(shop, services):
    """F5: one that runs no jobs serves what the others publish, columns as well as versions."""
    other = services("remap_follower", SHORTLIST_JOBS_WORKERS="0",
                     SHORTLIST_STATE_SCHEMA=f"state_{shop.worker.name}",
                     SHORTLIST_DATA_DIR=str(shop.worker.data))
    columns = lambda: [c["name"] for c in other.api.get(f"{shop.path}/columns").json()["items"]]
    assert columns() == ["title", "colour", "product"]
    shop.mapped(COLOUR, BRAND)
    wait_for(lambda: columns() == ["colour", "brand", "product"], "the follower's new columns")
    assert other.api.get(f"{shop.path}/users/u1/recommendations").json()["items"]
    other.stop()


# ---- asking for it ----

def test_prediction_without_a_version_has_no_columns_to_refresh(worker):
    api = worker.api
    made = api.post("/v1/predictions", {"name": "Nothing yet"}).json()["id"]
    answer = api.post(f"/v1/predictions/{made}/columns/refresh", expect=409).json()
    assert answer["code"] == "not_ready" and "trainings" in answer["hint"]
    api.delete(f"/v1/predictions/{made}")
    api.post(f"/v1/predictions/{made}/columns/refresh", expect=404)


def test_repeated_request_gives_the_same_job(shop):
    key = {"Idempotency-Key": "refresh"}
    path = f"{shop.path}/columns/refresh"
    first = shop.api.post(path, expect=202, headers=key)
    assert first.headers["Location"] == f"/v1/jobs/{first.json()['id']}"
    assert first.json()["kind"] == "remap" and first.json()["prediction"] == shop.name
    shop.ended(first.json()["id"])
    again = shop.api.post(path, expect=202, headers=key)
    assert again.json()["id"] == first.json()["id"]
