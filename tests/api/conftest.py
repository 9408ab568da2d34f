"""A private PostgreSQL, a small shop in it, and the real binary serving it.

SHORTLISTD names the binary; default build/shortlistd. When the whole folder runs, the session fails
if an operation or a documented status was never seen (client.COVERAGE)."""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import client
import daemon
import shop

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def folder():
    """A folder that PostgreSQL's own user can reach too."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="shortlist-api-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(folder):
    cluster = daemon.Cluster(folder / "postgres")
    cluster.start()
    shop.make_role(cluster)
    shop.load(cluster)
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def services(cluster, folder):
    """Makes services: services(name, SETTING=value …) gives a started one; all are stopped at the end."""
    made = []

    def make(name, start=True, **settings):
        service = daemon.Service(cluster, folder / name, settings)
        made.append(service)
        if start:
            service.start()
        return service

    yield make
    for service in made:
        service.stop()


@pytest.fixture(scope="session")
def service(services):
    return services("main", SHORTLIST_DATA_VERSIONS_KEPT="10")


@pytest.fixture(scope="session")
def api(service):
    """The service as its admin sees it."""
    return service.api


@pytest.fixture(scope="session")
def keyed(api):
    """keyed("storefront") is the service as a key of that scope sees it."""
    made = {}

    def of(scope):
        if scope not in made:
            key = api.post("/v1/keys", {"name": f"test {scope}", "scopes": [scope]}).json()["key"]
            made[scope] = api.with_key(key)
        return made[scope]

    return of


@pytest.fixture(scope="session")
def models(api):
    """The three models of the synthetic shop."""
    for body in shop.MODELS:
        api.post("/v1/models", body)
    return {"users": "customers", "events": "order_lines", "products": "products"}


@pytest.fixture
def draft(api):
    """A prediction without models, gone after the test."""
    made = api.post("/v1/predictions", {"name": "A draft"}).json()
    yield made["id"]
    if api.send("GET", f"/v1/predictions/{made['id']}").status_code == 200:
        api.delete(f"/v1/predictions/{made['id']}")


@pytest.fixture
def untrained(api, models):
    """A complete prediction that no version serves, gone after the test."""
    made = api.post("/v1/predictions", {"name": "Not trained", "models": models}).json()
    yield made["id"]
    if api.send("GET", f"/v1/predictions/{made['id']}").status_code == 200:
        api.delete(f"/v1/predictions/{made['id']}")


def train(api, prediction, body=None, what="trainings"):
    """Trains (or backtests) to the end, watching the events; the job as it ended."""
    job = api.post(f"/v1/predictions/{prediction}/{what}", body or {}, expect=202).json()
    for event, data in api.events(f"/v1/jobs/{job['id']}/events"):
        if event == "end":
            assert data["state"] == "succeeded", api.get(f"/v1/jobs/{job['id']}").text
            return data
    raise AssertionError(f"the events of job {job['id']} stopped before its end")


@pytest.fixture(scope="session")
def trained(api, models):
    """A prediction over the synthetic shop with a version that serves. Not to be changed."""
    api.post("/v1/predictions", {"name": "Next purchase", "id": "next", "models": models, "n": 5,
                                 "purchased_items": "exclude"})
    train(api, "next")
    return "next"


@pytest.fixture(scope="session")
def online_retail(cluster):
    """The real order lines of UCI Online Retail in schema shop_real's place: schema "shop" of a
    database of their own; its connection string for the service."""
    return shop.load_real(cluster, "retail", "load_online_retail.sh")


@pytest.fixture(scope="session")
def complete_journey(cluster):
    return shop.load_real(cluster, "groceries", "load_complete_journey.sh")


# ---- files that take long go first, the longest at once, so that no worker is left alone with one ----

LONG = ("test_bad_times.py", "test_real.py", "test_periods.py", "test_bad_data.py", "test_backtests.py",
        "test_trainings.py", "test_audience_tables.py", "test_output_table.py", "test_details.py")


def pytest_collection_modifyitems(items):
    def place(item):
        name = pathlib.Path(item.fspath).name
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=place)


# ---- the rule that everything documented is seen ----

def is_whole_run(session):
    files = {pathlib.Path(item.fspath).name for item in session.items}
    wanted = {path.name for path in HERE.glob("test_*.py")}
    return files == wanted and not session.config.option.keyword and not session.config.option.markexpr


def pytest_collection_finish(session):
    session.config.whole_api_run = is_whole_run(session)


# Workers (pytest-xdist) each see their share; the process that started them looks at all of it.

@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    share = getattr(node, "workeroutput", {})
    node.config.whole_api_run = share.get("whole_api_run", False)
    for operation, statuses in share.get("coverage", {}).items():
        client.COVERAGE[operation].update(statuses)


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    is_whole = getattr(config, "whole_api_run", False)
    if hasattr(config, "workeroutput"):
        config.workeroutput["whole_api_run"] = is_whole
        config.workeroutput["coverage"] = {
            operation: sorted(statuses) for operation, statuses in client.COVERAGE.items()}
        return
    config.unseen = list(client.CONTRACT.unseen()) if is_whole else []
    if config.unseen and exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    unseen = getattr(config, "unseen", [])
    statuses = sum(len(seen) for seen in client.COVERAGE.values())
    terminalreporter.write_line(
        f"openapi: {len(client.COVERAGE)} of {len(client.CONTRACT.operations)} operations, "
        f"{statuses} statuses seen")
    for line in unseen:
        terminalreporter.write_line(f"openapi: {line}", red=True)
