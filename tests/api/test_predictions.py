"""F8 to F12, F15: predictions are configured, drafts until complete, listed, changed, deleted."""
import pytest

import shop
from client import fault, faults

DRAFT = {"name": "Try", "id": "try"}


@pytest.fixture
def made(api):
    yield api.post("/v1/predictions", DRAFT)
    api.send("DELETE", "/v1/predictions/try", headers={"If-Match": "*"})


def test_prediction_without_models_is_a_draft_with_defaults(made):
    body = made.json()
    assert body["status"] == "draft" and body["missing"] == [
        "/models/users", "/models/events", "/models/products"]
    assert (body["n"], body["horizon_days"], body["purchased_items"], body["seed"]) == (10, 30, "auto", 1)
    assert body["type"] == "product_recommendations" and body["active_version"] is None


def test_prediction_is_ready_once_its_models_are_named(api, made, models):
    body = api.patch("/v1/predictions/try", {"models": models}).json()
    assert body["status"] == "ready" and body["missing"] == []


def test_everything_given_is_read_back(api, models):
    given = {"name": "All of it", "id": "all-of-it", "description": "everything", "models": models,
             "type": "product_recommendations", "attributes": ["colour", "category"], "n": 100,
             "horizon_days": 90, "purchased_items": "exclude_within", "exclude_within_days": 14,
             "seed": 9007199254740991,
             "period": {"from": "2023-01-01T00:00:00Z", "to": "2024-07-01T00:00:00Z",
                        "excluded": [{"from": "2023-07-01T00:00:00Z", "to": "2023-07-15T00:00:00Z",
                                      "reason": "summer sale"}]}}
    back = api.post("/v1/predictions", given).json()
    assert {name: back[name] for name in given} == given
    again = api.patch("/v1/predictions/all-of-it", {}).json()
    assert {name: again[name] for name in given} == given
    api.delete("/v1/predictions/all-of-it")


@pytest.mark.parametrize("change, pointer, code", [
    ({"horizon_days": 14}, "/horizon_days", "out_of_range"),
    ({"horizon_days": 91}, "/horizon_days", "out_of_range"),
    ({"n": 0}, "/n", "out_of_range"),
    ({"n": 101}, "/n", "out_of_range"),
    ({"n": "ten"}, "/n", "wrong_type"),
    ({"n": 1.5}, "/n", "wrong_type"),
    ({"name": None}, "/name", "required"),
    ({"type": "weather"}, "/type", "unknown_value"),
    ({"purchased_items": "exclude_within"}, "/exclude_within_days", "required"),
    ({"exclude_within_days": 5}, "/exclude_within_days", "conflict"),
    ({"period": {"from": "2024-02-01", "to": "2024-01-01"}}, "/period/to", "out_of_range"),
    ({"horizon": 30}, "/horizon", "unknown_field"),
    ({"models": {"users": "nobody"}}, "/models/users", "unknown_reference"),
])
def test_each_fault_has_its_pointer_and_code(api, models, change, pointer, code):
    answer = api.post("/v1/predictions", {**DRAFT, **change}, expect=422)
    assert faults(answer).get(pointer) == code, answer.text


def test_all_faults_come_in_one_answer(api, models):
    answer = api.post("/v1/predictions", {"id": "Bad Id", "n": 0, "horizon_days": 1, "colour": 1},
                      expect=422)
    assert {"/id", "/n", "/horizon_days", "/colour", "/name"} <= faults(answer).keys()


def test_wrong_and_unknown_models_are_named_with_near_misses(api, models):
    answer = api.post("/v1/predictions", {
        **DRAFT, "models": {"users": "customer", "events": "products", "products": "products"},
        "attributes": ["color"]}, expect=422)
    assert fault(answer, "/models/users")["candidates"] == ["customers"]
    assert faults(answer)["/models/events"] == "wrong_type"
    assert fault(answer, "/attributes/0")["candidates"] == ["colour"]


def test_models_of_different_sources_are_refused(services, cluster):
    api = services("two-sources".replace("-", "_"),
                   SHORTLIST_SOURCE_OTHER_CONNECTION=cluster.database("postgres")).api
    users, products, events = shop.MODELS
    api.post("/v1/models", {**users, "source": "other"})
    api.post("/v1/models", products)
    api.post("/v1/models", events)
    answer = api.post("/v1/predictions", {**DRAFT, "models": {
        "users": "customers", "events": "order_lines", "products": "products"}}, expect=422)
    assert faults(answer) == {"/models/users": "different_source"}


def test_several_predictions_live_side_by_side(api, made, draft, untrained):
    listed = [item["id"] for item in api.pages("/v1/predictions", limit=1)]
    assert {"try", draft, untrained} <= set(listed) and listed == sorted(listed)


def test_second_prediction_of_an_id_conflicts(api, made):
    assert "id" in api.post("/v1/predictions", DRAFT, expect=409).json()["hint"]


def test_change_needs_the_revision_that_was_read(api, made):
    first = made.headers["ETag"]
    api.patch("/v1/predictions/try", {"n": 3}, match=None, expect=428)
    second = api.patch("/v1/predictions/try", {"n": 3}, match=first).headers["ETag"]
    assert second != first
    assert api.patch("/v1/predictions/try", {"n": 4}, match=first, expect=412).json()["code"] == \
        "precondition_failed"
    api.delete("/v1/predictions/try", match=first, expect=412)
    api.delete("/v1/predictions/try", match=None, expect=428)
    assert api.get("/v1/predictions/try").json()["n"] == 3
    api.delete("/v1/predictions/try", match=second)


def test_unchanged_prediction_is_not_sent_again(api, made):
    answer = api.send("GET", "/v1/predictions/try", headers={"If-None-Match": made.headers["ETag"]})
    assert answer.status_code == 304 and answer.headers["ETag"] == made.headers["ETag"]


def test_deleted_prediction_is_gone(api, made):
    api.delete("/v1/predictions/try")
    api.get("/v1/predictions/try", expect=404)
    assert "try" not in [item["id"] for item in api.pages("/v1/predictions")]


def test_draft_can_neither_be_validated_nor_estimated_nor_trained(api, draft):
    path = f"/v1/predictions/{draft}"
    for answer in (api.get(path + "/validate", expect=409), api.get(path + "/estimate", expect=409),
                   api.post(path + "/trainings", {}, expect=409)):
        assert answer.json()["code"] == "not_ready" and "/models/users" in answer.json()["detail"]


def test_doctor_finds_what_is_wrong_with_the_shop(api, cluster, untrained):
    """F7: findings have a count, a sample and SQL that shows them."""
    answer = api.get(f"/v1/predictions/{untrained}/validate").json()
    found = {finding["code"]: finding for finding in answer["findings"]}
    assert answer["ok"] == (answer["errors"] == 0)
    assert found["guest_events"]["count"] == 40
    assert found["orphan_products"]["sample"] == ["POSTAGE"] or "POSTAGE" in found["orphan_products"]["sample"]
    assert found["returns"]["count"] > 0
    assert len(cluster.sql(found["guest_events"]["sql"])) > 0


def test_estimate_says_rows_memory_and_seconds(api, untrained):
    estimate = api.get(f"/v1/predictions/{untrained}/estimate").json()
    assert (estimate["users"], estimate["products"]) == (200, 60)
    assert estimate["rows"] > 1000 and estimate["fits"] and estimate["memory_bytes"] > 0
    assert "trained" in estimate["basis"]


def test_estimate_after_a_training_follows_its_rate(api, trained):
    estimate = api.get(f"/v1/predictions/{trained}/estimate").json()
    assert "version" in estimate["basis"] and estimate["seconds"] > 0
