"""F4: several interaction events of a prediction, each from its own table, over HTTP."""
import pytest

from client import fault, faults
from conftest import train

# Carts lead to most purchases of the last days; views are many and say little. Made from the order
# lines, with a user key, a product key and a time of their own names.
TABLES = """
CREATE TABLE toys.carts AS SELECT line_id AS id, customer_id AS who, sku AS what,
    bought_at - line_id % 20 * interval '1 day' AS at, 1 + line_id % 2 AS pieces
    FROM toys.order_lines WHERE quantity > 0 AND line_id % 5 > 0;
INSERT INTO toys.carts SELECT -1, 'nobody', 'P001', now() - interval '1 year', 1;
CREATE TABLE toys.views AS SELECT line_id * 3 + n AS id, customer_id AS who,
    'P' || lpad(((line_id * 7 + n * 13) % 57)::text, 3, '0') AS what,
    bought_at - n * interval '1 hour' AS at
    FROM toys.order_lines, generate_series(1, 3) AS n WHERE quantity > 0;
GRANT SELECT ON toys.carts, toys.views TO shortlist_demo;
"""

EVENTS = {"type": "events", "source": "shop", "primary_key": "id", "user_key": "who",
          "product_key": "what", "time": "at"}
CARTS = {**EVENTS, "name": "Carts", "id": "carts", "table": "toys.carts", "quantity": "pieces"}
VIEWS = {**EVENTS, "name": "Views", "id": "views", "sql": "SELECT * FROM toys.views WHERE who <> ''"}


@pytest.fixture(scope="module")
def signals(api, cluster, models):
    """The models of carts and views, gone after the tests."""
    cluster.sql(TABLES)
    for model in (CARTS, VIEWS):
        api.post("/v1/models", model)
    yield [{"model": "carts", "name": "cart"}, {"model": "views", "name": "views", "weight": 0.1, "half_life_days": 7}]
    for model in ("carts", "views"):
        api.send("DELETE", f"/v1/models/{model}", headers={"If-Match": "*"})
    cluster.sql("DROP TABLE toys.carts, toys.views")


@pytest.fixture
def made(api):
    """made(signals, …) posts a prediction that is gone after the test."""
    def make(models, expect=201, **more):
        body = {"name": "Signals", "id": "signals", "models": models, **more}
        return api.post("/v1/predictions", body, expect=expect)

    yield make
    api.send("DELETE", "/v1/predictions/signals", headers={"If-Match": "*"})


def test_event_types_are_read_back_and_changed(api, models, signals, made):
    """F4: what is left out is learned."""
    back = made({**models, "signals": signals}).json()
    assert back["models"]["signals"] == signals and back["status"] == "ready"
    body = {"models": {"signals": [{"model": "carts", "weight": 1}]}}
    back = api.patch("/v1/predictions/signals", body).json()
    assert back["models"]["signals"] == [{"model": "carts", "name": "carts", "weight": 1}]
    back = api.patch("/v1/predictions/signals", {"models": {"signals": None}}).json()
    assert back["models"] == models


def test_all_faults_of_event_types_are_in_one_answer(models, signals, made):
    """F4"""
    found = faults(made({**models, "signals": [
        {"model": "carts", "weight": -1, "half_life": 3}, {"name": "x"},
        {"model": "order_lines"}]}, expect=422, n=0))
    assert found == {"/n": "out_of_range", "/models/signals/0/weight": "out_of_range",
                     "/models/signals/0/half_life": "unknown_field",
                     "/models/signals/1/model": "required",
                     "/models/signals/2/model": "duplicate"}


def test_more_than_ten_event_types_are_refused_with_the_other_faults(models, signals, made):
    """F4: the target is one of them."""
    many = [{"model": f"events_{i}"} for i in range(10)]
    found = faults(made({**models, "signals": many}, expect=422, horizon_days=7))
    assert found == {"/models/signals": "out_of_range", "/horizon_days": "out_of_range"}


def test_models_of_event_types_must_exist_and_fit(models, signals, made):
    """F4: near misses are offered."""
    answer = made({**models, "signals": [{"model": "cart"}, {"model": "products"}]}, expect=422)
    missing = fault(answer, "/models/signals/0/model")
    assert missing["code"] == "unknown_reference" and "carts" in missing["candidates"]
    assert fault(answer, "/models/signals/1/model")["code"] == "wrong_type"


def test_a_target_needs_a_quantity_and_other_events_do_not(api, models, signals, made):
    """F3 F4"""
    answer = made({**models, "events": "views"}, expect=422)
    assert fault(answer, "/models/events")["code"] == "no_quantity"
    made({**models, "signals": signals})
    answer = api.patch("/v1/models/order_lines", {"quantity": None}, expect=409)
    assert "quantity" in answer.json()["detail"]


def test_a_model_in_use_as_an_event_type_stays(api, models, signals, made):
    """F4: neither deleted nor made another type."""
    made({**models, "signals": signals})
    answer = api.delete("/v1/models/carts", expect=409)
    assert "signals" in answer.json()["detail"]
    api.patch("/v1/models/carts", {"quantity": None})
    api.patch("/v1/models/carts", {"quantity": "pieces"})
    api.patch("/v1/predictions/signals", {"models": {"signals": None}})


def test_each_event_type_is_examined_checked_and_counted(api, cluster, models, signals, made):
    """F4 F7: findings name the model they are of; few types are a warning, never a refusal."""
    made(models)
    plain = api.get("/v1/predictions/signals/validate").json()
    few = next(f for f in plain["findings"] if f["code"] == "event_types")
    assert (few["level"], few["count"]) == ("warning", 1) and plain["ok"]
    alone = api.get("/v1/predictions/signals/estimate").json()
    assert alone["signal_rows"] == 0
    api.patch("/v1/predictions/signals", {"models": {"signals": signals}})
    answer = api.get("/v1/predictions/signals/validate").json()
    assert not [f for f in answer["findings"] if f["code"] == "event_types"] and answer["ok"]
    orphans = next(f for f in answer["findings"] if (f["model"], f["code"]) == ("carts", "orphan_users"))
    assert orphans["sample"] == ["nobody"]
    estimate = api.get("/v1/predictions/signals/estimate").json()
    (rows,), = cluster.sql("SELECT (SELECT count(*) FROM toys.carts) + "
                       "(SELECT count(*) FROM toys.views WHERE who <> '')")
    assert estimate["signal_rows"] == rows and estimate["rows"] == alone["rows"]
    assert estimate["memory_bytes"] > alone["memory_bytes"]
    cluster.sql("REVOKE SELECT ON toys.carts FROM shortlist_demo")
    check = api.get("/v1/sources/shop/check?prediction=signals").json()
    cluster.sql("GRANT SELECT ON toys.carts TO shortlist_demo")
    assert any("carts" in right["grant"] for right in check["missing"])


def test_a_training_reads_weighs_and_reports_every_event_type(api, models, signals, made):
    """F4 F21 F22: weights are named as given or learned; the ranker knows facts of each pair."""
    made({**models, "signals": signals})
    job = train(api, "signals")
    card = api.get(f"/v1/predictions/signals/versions/{job['version']}").json()["card"]
    cart, view = card["signals"]
    assert (cart["name"], cart["model"]) == ("cart", "carts") and cart["rows"] > 1000
    assert cart["weight"]["from"] == "learned" and cart["weight"]["value"] > 0
    assert cart["half_life_days"]["from"] == "learned"
    assert [d["rule"] for d in cart["dropped"]] and cart["dropped"][0]["samples"]
    assert (view["name"], view["weight"]) == ("views", {"value": 0.1, "from": "given"})
    assert view["half_life_days"] == {"value": 7, "from": "given"}
    log = api.get(f"/v1/jobs/{job['id']}").json()["log"]
    assert any("one event of cart counts" in line["text"] for line in log)
    if card["learner"]["name"] == "ranked":
        assert any(f.startswith("event.cart.") for f in card["learner"]["parameters"]["importance"])
    answer = api.get("/v1/predictions/signals/users/c000/recommendations").json()
    assert answer["items"] and not answer["fallback"]
