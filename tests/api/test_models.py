"""F2: models are described, read back, changed and forgotten."""
import pytest

import shop
from client import fault, faults

USERS, PRODUCTS, EVENTS = shop.MODELS


@pytest.fixture
def model(api):
    """A products model that no prediction names, gone after the test."""
    made = api.post("/v1/models", {**PRODUCTS, "id": "spare"})
    yield made
    api.send("DELETE", "/v1/models/spare", headers={"If-Match": "*"})


def test_model_from_a_table_is_read_back_whole(api, model):
    body = model.json()
    assert model.headers["Location"] == "/v1/models/spare"
    assert body["table"] == "toys.products" and body["revision"] == 1
    assert {"name": "category", "column": "tags", "kind": "categorical", "separator": "|"} \
        in body["fields"]
    assert api.get("/v1/models/spare").json() == body


def test_id_is_made_from_the_name(api):
    made = api.post("/v1/models", {**USERS, "name": "Küche & Co – customers"}).json()
    assert made["id"].isascii() and made["id"].endswith("co-customers")
    api.delete(f"/v1/models/{made['id']}")


def test_all_faults_come_in_one_answer_even_those_of_the_database(api):
    answer = api.post("/v1/models", {
        "name": "", "type": "events", "source": "shop", "table": "toys.order_line",
        "primary_key": "line_id", "user_key": "customer_id", "product_key": "sku",
        "time": "bought_at", "quantity": "quantity", "colour": "red"}, expect=422)
    found = faults(answer)
    assert {"/name", "/colour", "/table"} <= found.keys()
    assert found["/colour"] == "unknown_field"


@pytest.mark.parametrize("change, pointer, candidate", [
    ({"table": "toys.product"}, "/table", "toys.products"),
    ({"primary_key": "skuu"}, "/primary_key", "sku"),
    ({"fields": [{"column": "color"}]}, "/fields/0/column", "colour"),
    ({"source": "shpo"}, "/source", "shop"),
])
def test_unknown_names_offer_near_misses(api, change, pointer, candidate):
    answer = api.post("/v1/models", {**PRODUCTS, "id": "wrong", **change}, expect=422)
    assert candidate in fault(answer, pointer)["candidates"]


def test_unknown_members_are_refused_with_near_misses(api):
    answer = api.post("/v1/models", {**PRODUCTS, "id": "wrong", "tabel": "x"}, expect=422)
    assert fault(answer, "/tabel")["candidates"] == ["table"]


def test_second_model_of_an_id_conflicts(api, model):
    answer = api.post("/v1/models", {**PRODUCTS, "id": "spare"}, expect=409)
    assert answer.json()["code"] == "conflict"


def test_patch_is_a_merge_patch(api, model):
    tag = model.headers["ETag"]
    changed = api.patch("/v1/models/spare", {"description": "toys", "fields": None}, match=tag).json()
    assert changed["description"] == "toys" and changed.get("fields", []) == []
    assert changed["revision"] == 2
    back = api.patch("/v1/models/spare", {"description": None}).json()
    assert "description" not in back


def test_patch_cannot_change_the_id(api, model):
    assert faults(api.patch("/v1/models/spare", {"id": "other"}, expect=422)) == {"/id": "immutable"}


def test_patch_of_table_to_sql(api, model):
    changed = api.patch("/v1/models/spare", {"table": None, "sql": "SELECT * FROM toys.products"})
    assert "table" not in changed.json() and changed.json()["sql"].startswith("SELECT")


def test_sql_that_is_no_single_select_is_refused(api):
    for sql in ("DELETE FROM toys.products", "SELECT 1; SELECT 2", "SELECT * FROM nowhere",
                "COPY toys.products TO STDOUT", "SELEC 1"):
        body = {**PRODUCTS, "id": "wrong", "table": None, "sql": sql}
        assert "/sql" in faults(api.post("/v1/models", body, expect=422)), sql


def test_list_pages_by_cursor_and_filters_by_type(api, models, model):
    names = [item["id"] for item in api.pages("/v1/models", limit=1)]
    assert names == sorted(names) and {"customers", "order_lines", "products", "spare"} <= set(names)
    kinds = {item["type"] for item in api.pages("/v1/models?type=events", limit=1)}
    assert kinds == {"events"}
    assert faults(api.get("/v1/models?type=event", expect=422)) == {"?type": "unknown_value"}


def test_type_and_deletion_of_a_model_in_use_conflict(api, untrained):
    answer = api.delete("/v1/models/customers", expect=409)
    assert untrained in answer.json()["detail"] or "next" in answer.json()["detail"]
    body = {"type": "products"}
    api.patch("/v1/models/customers", body, expect=409)


def test_unknown_model_says_what_was_meant(api, models):
    answer = api.get("/v1/models/custommers", expect=404)
    assert "customers" in answer.json()["hint"]


def test_profile_suggests_roles(api, models):
    profile = api.get("/v1/models/order_lines/profile").json()
    columns = {column["name"]: column for column in profile["columns"]}
    assert profile["rows"] == len(shop.order_lines())
    assert columns["customer_id"]["nulls"] == 40
    roles = {column["suggestion"]["role"] for column in columns.values() if column["suggestion"]}
    assert {"time", "quantity"} <= roles


def test_preview_shows_rows(api, models):
    preview = api.get("/v1/models/products/preview?limit=3").json()
    assert "sku" in preview["columns"] and len(preview["rows"]) == 3
    assert faults(api.get("/v1/models/products/preview?limit=101", expect=422)) == \
        {"?limit": "out_of_range"}


def test_profile_of_a_table_that_vanished_is_refused(api, cluster):
    cluster.sql("CREATE TABLE toys.fleeting (id text PRIMARY KEY); "
                "GRANT SELECT ON toys.fleeting TO shortlist_demo")
    api.post("/v1/models", {"name": "Fleeting", "type": "users", "source": "shop",
                            "table": "toys.fleeting", "primary_key": "id"})
    cluster.sql("DROP TABLE toys.fleeting")
    for view in ("profile", "preview"):
        assert "fleeting" in api.get(f"/v1/models/fleeting/{view}", expect=422).json()["detail"]
    api.delete("/v1/models/fleeting")
