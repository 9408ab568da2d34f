"""F48: readiness, outages of PostgreSQL, restarts, draining."""
import json
import signal

import pytest

import lint_openapi
from bad_times import wait_for
from client import CONTRACT
from conftest import train
from test_conventions import BODIES, NOBODY, filled

# Operations that answer 503 without PostgreSQL, with the query that makes them ask it.
ASKING = {"checkSource": "?prediction=next"}


@pytest.fixture
def outage(cluster, trained, models):
    """PostgreSQL is away during the test."""
    cluster.stop()
    yield
    cluster.start()


@pytest.fixture(autouse=True)
def back(api):
    """After each test the service has found PostgreSQL again."""
    yield
    if api.with_key(None).send("GET", "/readyz").json()["database"] == "down":
        raise AssertionError("PostgreSQL was not found again")


def test_alive_and_ready(api, trained):
    public = api.with_key(None)
    assert public.get("/livez").json() == {"status": "ok"}
    ready = public.get("/readyz").json()
    assert ready["status"] == "ready" and ready["database"] == "up" and ready["snapshots"] >= 1


def metrics(api):
    values = {}
    for line in api.with_key(None).get("/metrics").text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    return values


def test_metrics_are_prometheus_text(api, trained):
    api.get("/v1/predictions/next/users/c001/recommendations")
    counted = 'shortlist_http_requests_total{operation="recommend",class="2xx"}'
    wait_for(lambda: metrics(api)[counted] >= 1, "the request is counted once it is over")
    values = metrics(api)
    assert values["shortlist_predictions_serving"] >= 1
    assert values["process_resident_memory_bytes"] > 1e6
    buckets = [value for name, value in values.items()
               if name.startswith('shortlist_http_request_duration_seconds_bucket{operation="recommend"')]
    assert buckets == sorted(buckets) and buckets[-1] == \
        values['shortlist_http_request_duration_seconds_count{operation="recommend"}']


def test_outage_answers_503_where_it_must_and_serves_where_it_can(api, outage):
    for path, method, _, operation in lint_openapi.operations(CONTRACT.document):
        name = operation["operationId"]
        if "503" not in operation["responses"] or operation.get("security") == []:
            continue
        path = filled(path, source="shop", prediction="away", job=NOBODY, backtest=NOBODY)
        path += ASKING.get(name, "")
        answer = api.send(method, path, BODIES.get(name), expect=503, headers={"If-Match": "*"})
        assert answer.json()["code"] == "unavailable" and answer.headers["Retry-After"]
    for path in ("users/c001/recommendations", "users/c001", "popular", "columns", "columns/colour/values"):
        api.get(f"/v1/predictions/next/{path}")
    ready = api.with_key(None).get("/readyz").json()
    assert ready["status"] == "ready" and ready["database"] == "down"


def test_key_of_an_idempotent_post_needs_postgresql(api, outage):
    api.post("/v1/predictions", {"name": "x"}, expect=503, headers={"Idempotency-Key": "outage"})


def test_restart_serves_without_postgresql(services, cluster, models):
    """From the copy of the keys and the snapshot files alone."""
    import shop
    service = services("restarted")
    for body in shop.MODELS:
        service.api.post("/v1/models", body)
    service.api.post("/v1/predictions", {"name": "Next", "id": "next", "models": models})
    train(service.api, "next")
    before = service.api.get("/v1/predictions/next/users/c001/recommendations").json()
    service.stop()
    cluster.stop()
    try:
        service.start()
        assert service.api.get("/v1/predictions/next/users/c001/recommendations").json() == before
        assert service.api.with_key(None).get("/readyz").json()["database"] == "down"
    finally:
        cluster.start()
    assert service.api.get("/v1/predictions/next").json()["active_version"] == before["version"]
    service.stop()


def test_service_with_nothing_to_serve_and_no_postgresql_is_not_ready(services, cluster):
    service = services("empty", start=False)
    cluster.stop()
    try:
        service.start(with_key=False)
        ready = service.api.with_key(None).get("/readyz", expect=503).json()
        assert ready["status"] == "not_ready" and "PostgreSQL" in ready["reason"]
        service.api.with_key(None).get("/livez")
    finally:
        cluster.start()
        service.stop()


def test_killed_daemon_loses_no_job(services, models):
    """F17: kill -9 while a job is under way; the next start runs it to its end, once."""
    import shop
    service = services("killed", SHORTLIST_JOBS_LEASE_MS="500")
    for body in shop.MODELS:
        service.api.post("/v1/models", body)
    service.api.post("/v1/predictions", {"name": "Next", "id": "next", "models": models})
    job = service.api.post("/v1/predictions/next/trainings", {}, expect=202).json()
    events = service.api.events(f"/v1/jobs/{job['id']}/events")
    while next(events)[1]["state"] == "queued":
        pass
    service.kill()
    service.start()
    *_, (event, last) = service.api.events(f"/v1/jobs/{job['id']}/events")
    assert event == "end" and last["state"] == "succeeded" and last["attempt"] in (1, 2)
    versions = [v["version"] for v in service.api.pages("/v1/predictions/next/versions")]
    assert versions == [last["version"]]
    service.stop()


def test_stopping_service_sends_watchers_away_and_ends_well(services, models):
    import shop
    service = services("drained", SHORTLIST_JOBS_WORKERS="0")
    for body in shop.MODELS:
        service.api.post("/v1/models", body)
    service.api.post("/v1/predictions", {"name": "Next", "id": "next", "models": models})
    job = service.api.post("/v1/predictions/next/trainings", {}, expect=202).json()
    events = service.api.events(f"/v1/jobs/{job['id']}/events")
    assert next(events)[0] == "progress"
    service.stop()
    assert list(events) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("blas_threads", ["1", "2"])
def test_both_signals_drain_whatever_threads_blas_has_made(services, number, blas_threads):
    """Threads that OpenBLAS makes before main() do not block signals: they must not end the daemon."""
    service = services(f"signalled{number}{blas_threads}", OPENBLAS_NUM_THREADS=blas_threads)
    since = service.log_size()
    service.stop(number)
    messages = [json.loads(line)["message"] for line in service.log(since).splitlines()]
    assert messages == ["draining", "stopped"]
