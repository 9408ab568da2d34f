"""F24, F48: what PostgreSQL and the disk can do to a request: 500, 504 and 507, each documented where
it can occur, and said without a word of SQL, a path or a secret."""
import contextlib

import pytest

import shop
from conftest import train

BODY = {"name": "Late", "id": "late"}
MODEL = {**shop.MODELS[1], "name": "Late", "id": "late"}
P, J = "/v1/predictions/there", "/v1/jobs/{job}"

READS = ["/v1/models", "/v1/models/products", "/v1/predictions", P, P + "/validate", P + "/estimate",
         P + "/versions", P + "/versions/1", P + "/versions/1/details", P + "/quality",
         P + "/backtests", "/v1/backtests/{backtest}", "/v1/jobs", J, J + "/events", "/v1/keys",
         "/v1/audiences", "/v1/audiences/there", "/v1/models/products/profile",
         "/v1/models/products/preview", "/v1/sources/shop/check?prediction=there"]
WRITES = [("POST", "/v1/models", MODEL), ("PATCH", "/v1/models/products", {"description": "x"}),
          ("DELETE", "/v1/models/spare", None),
          ("POST", "/v1/predictions", BODY), ("PATCH", P, {"description": "x"}),
          ("DELETE", "/v1/predictions/spare", None),
          ("POST", P + "/trainings", {}), ("POST", P + "/versions/1/activate", {}),
          ("POST", P + "/columns/refresh", None),
          ("POST", P + "/backtests", {"as_of": "2024-05-01"}),
          ("POST", "/v1/audiences", {"name": "Late", "prediction": "there", "product": "P001"}),
          ("PATCH", "/v1/audiences/there", {"description": "x"}), ("DELETE", "/v1/audiences/there", None),
          ("POST", "/v1/keys", {"name": "late", "scopes": ["storefront"]}), ("DELETE", "/v1/keys/{key}", None)]
TABLES = ("document", "job", "version", "backtest", "api_key")


def named(path):
    return path.replace("/", " ").strip()


@pytest.fixture(scope="module")
def filled(services, cluster):
    """A service with one of everything; it waits for a lock in its state for a moment only."""
    impatient = cluster.database("shortlist") + " options='-c lock_timeout=100ms'"
    service = services("statuses", SHORTLIST_STATE_CONNECTION=impatient)
    api = service.api
    for body in [*shop.MODELS, {**MODEL, "id": "spare"}]:
        api.post("/v1/models", body)
    models = {"users": "customers", "events": "order_lines", "products": "products"}
    api.post("/v1/predictions", {"name": "There", "id": "there", "models": models})
    api.post("/v1/predictions", {"name": "Spare", "id": "spare"})
    service.names = {"job": train(api, "there")["id"], "backtest": train(
        api, "there", {"as_of": "2024-05-01"}, "backtests")["id"], "key": api.post(
        "/v1/keys", {"name": "spare", "scopes": ["storefront"]}).json()["id"]}
    api.post("/v1/audiences", {"name": "There", "id": "there", "prediction": "there",
                               "product": "P001", "max_size": 10})
    return service


@contextlib.contextmanager
def held(cluster):
    """The tables of the state, locked by somebody else."""
    with contextlib.closing(cluster.connect(cluster.database("shortlist", user="postgres"))) as other:
        other.autocommit = False
        with other.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"LOCK TABLE state_statuses.{table} IN ACCESS EXCLUSIVE MODE")
            yield


@contextlib.contextmanager
def failing(cluster, state, message):
    """Every write to the state fails with a SQLSTATE."""
    admin = cluster.database("shortlist", user="postgres")
    cluster.sql(f"CREATE FUNCTION state_statuses.fail() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$BEGIN RAISE SQLSTATE '{state}' USING MESSAGE = '{message}'; END$$", connection=admin)
    for table in TABLES:
        cluster.sql(f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON state_statuses.{table} "
                    f"EXECUTE FUNCTION state_statuses.fail()", connection=admin)
    try:
        yield
    finally:
        cluster.sql("DROP FUNCTION state_statuses.fail() CASCADE", connection=admin)


def ask(filled, method, path, body, status, code):
    headers = {"If-Match": "*"} if method in ("PATCH", "DELETE") else {}
    answer = filled.api.send(method, path.format(**filled.names), body, headers=headers, expect=status)
    problem = answer.json()
    assert problem["code"] == code, problem
    assert not any(word in answer.text for word in ("SELECT", "state_statuses", "host=", str(filled.data)))
    return problem


@pytest.mark.parametrize("path", READS, ids=named)
def test_read_that_waits_too_long_for_postgresql_is_504(path, filled, cluster):
    with held(cluster):
        ask(filled, "GET", path, None, 504, "timeout")
    filled.api.send("GET", path.format(**filled.names), expect=200, stream=True).close()


@pytest.mark.parametrize("method, path, body", WRITES, ids=lambda v: named(v) if isinstance(v, str) else "")
def test_write_that_waits_too_long_for_postgresql_is_504(method, path, body, filled, cluster):
    with held(cluster):
        ask(filled, method, path, body, 504, "timeout")


@pytest.mark.parametrize("method, path, body", WRITES, ids=lambda v: named(v) if isinstance(v, str) else "")
def test_write_to_a_full_disk_of_postgresql_is_507(method, path, body, filled, cluster):
    """And changes nothing: with room again the same is there as before."""
    before = everything(filled.api)
    with failing(cluster, "53100", "could not extend file"):
        ask(filled, method, path, body, 507, "no_space")
    assert everything(filled.api) == before


def everything(api):
    return {path: list(api.pages(path)) for path in
            ("/v1/models", "/v1/predictions", "/v1/audiences", "/v1/jobs", "/v1/keys")}


def test_second_of_an_id_is_named_with_its_kind(filled):
    body = {"name": "There", "id": "there", "prediction": "there", "product": "P001"}
    problem = filled.api.post("/v1/audiences", body, expect=409).json()
    assert problem["detail"] == 'audience "there" exists already'


def test_shop_that_is_slow_to_answer_is_504(services, cluster):
    """A count that takes longer than statement_timeout of the source."""
    service = services("hurried", SHORTLIST_SOURCE_SHOP_STATEMENT_TIMEOUT_MS="300")
    for body in shop.MODELS:
        service.api.post("/v1/models", body)
    slow = {"sql": "SELECT id, country, pg_sleep(1)::text AS nap FROM toys.customers", "table": None,
            "fields": []}
    service.api.patch("/v1/models/customers", slow)
    models = {"users": "customers", "events": "order_lines", "products": "products"}
    service.api.post("/v1/predictions", {"name": "There", "id": "there", "models": models})
    problem = service.api.get(P + "/estimate", expect=504).json()
    assert problem["code"] == "timeout" and "customers" in problem["detail"]


def test_what_only_we_can_have_caused_is_500_and_its_cause_stays_in_the_log(filled, cluster):
    with failing(cluster, "XX000", "a secret of the inside"):
        problem = ask(filled, "POST", "/v1/predictions", BODY, 500, "internal")
    assert "secret" not in str(problem)
    assert any(problem["request_id"] in line and "a secret of the inside" in line
               for line in filled.log().splitlines())


def test_damaged_file_of_a_version_cannot_be_activated(filled):
    """F21: 500 with the code "damaged"; what serves goes on serving."""
    version = train(filled.api, "there")["version"]
    file = next((filled.data / "there").glob("v1-*.snapshot"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x40
    file.write_bytes(data)
    ask(filled, "POST", P + "/versions/1/activate", {}, 500, "damaged")
    assert filled.api.get(P).json()["active_version"] == version
