"""F11: periods left out of the training, wholly or for some products only."""
import pytest

from client import fault, faults
from conftest import train
from test_real import RETAIL

SUMMER = {"from": "2023-07-01T00:00:00Z", "to": "2023-07-15T00:00:00Z"}

# What a shop that knows its seasons would say of its products.
CHRISTMAS = "'christmas|xmas|santa|reindeer|snowm[ae]n|advent'"
SEASONAL = ("SELECT stock_code, product_name, price, CASE WHEN product_name ~* " + CHRISTMAS +
            " THEN 'Christmas' WHEN product_name ~* 'easter' THEN 'Easter' END AS season"
            " FROM shop.products")
DECEMBER = {"from": "2010-12-01T00:00:00Z", "to": "2011-01-01T00:00:00Z",
            "reason": "last year's Christmas is over"}
WINTER = "2011-02-15"  # as much of the data as the test wants to train on


def excluded(**products):
    return {"excluded": [{**SUMMER, "products": products}]}


@pytest.fixture
def made(api):
    """made(period, …) posts a prediction that is gone after the test."""
    yield lambda period, expect=201, **more: api.post(
        "/v1/predictions", {"name": "Periods", "id": "periods", "period": period, **more},
        expect=expect)
    api.send("DELETE", "/v1/predictions/periods", headers={"If-Match": "*"})


def test_products_of_a_period_are_read_back(api, models, made):
    """F11"""
    period = excluded(column="category", values=["toy", "group 1"], ids=["P001", "A,1"])
    period["excluded"].append({**SUMMER, "reason": "all of it"})
    assert made(period, models=models).json()["period"]["excluded"] == period["excluded"]
    changed = excluded(ids=["P002"])
    back = api.patch("/v1/predictions/periods", {"period": changed}).json()
    assert back["period"]["excluded"] == changed["excluded"]


@pytest.mark.parametrize("products, pointer, code", [
    ({}, "", "required"),
    ({"column": "category"}, "/values", "required"),
    ({"values": ["toy"]}, "/column", "required"),
    ({"column": "category", "values": []}, "/values", "out_of_range"),
    ({"column": "category", "values": [str(i) for i in range(101)]}, "/values", "out_of_range"),
    ({"ids": [str(i) for i in range(1001)]}, "/ids", "out_of_range"),
    ({"ids": ["P001", 2]}, "/ids/1", "wrong_type"),
    ({"category": "toy"}, "/category", "unknown_field"),
])
def test_filter_that_does_not_fit_is_refused(made, products, pointer, code):
    """F11"""
    found = faults(made(excluded(**products), expect=422))
    assert found.get("/period/excluded/0/products" + pointer) == code, found


def test_unknown_column_is_refused_with_candidates_where_the_model_is_known(api, models, made):
    """F11: a draft without its models may name it; once they are known it must be mapped."""
    period = excluded(column="categroy", values=["toy"])
    answer = made(period, expect=422, models=models)
    found = fault(answer, "/period/excluded/0/products/column")
    assert found["code"] == "unknown_reference" and found["candidates"] == ["category"]
    made(period)
    answer = api.patch("/v1/predictions/periods", {"models": models}, expect=422)
    assert "/period/excluded/0/products/column" in faults(answer)


def test_values_and_ids_that_no_product_has_are_findings(api, models, made):
    """F11: with what was meant, and no error: a season's products may be gone by now."""
    made(excluded(column="category", values=["toy", "gruop 1"], ids=["P001", "nothing"]), models=models)
    answer = api.get("/v1/predictions/periods/validate").json()
    found = {f["message"]: f for f in answer["findings"] if f["code"] == "excluded_products"}
    assert len(found) == 2 and answer["ok"], answer
    values = next(f for message, f in found.items() if "category" in message)
    assert values["level"] == "warning" and values["sample"] == ["gruop 1"]
    assert 'did you mean "group 1"' in values["message"] and (values["count"], values["share"]) == (1, 0.5)


def test_column_that_is_mapped_no_longer_fails_the_training_and_is_found(api, models, made):
    """F11"""
    given = {"name": "Shelf", "id": "shelf", "type": "products", "source": "shop",
             "table": "toys.products", "primary_key": "sku"}
    api.post("/v1/models", {**given, "fields": [{"name": "shade", "column": "colour"}]})
    made(excluded(column="shade", values=["red"]), models={**models, "products": "shelf"})
    api.patch("/v1/models/shelf", {"fields": [{"name": "shades", "column": "colour"}]})
    answer = api.get("/v1/predictions/periods/validate").json()
    found = next(f for f in answer["findings"] if f["code"] == "excluded_products")
    assert not answer["ok"] and found["level"] == "error" and '"shades"' in found["message"]
    job = api.post("/v1/predictions/periods/trainings", {}, expect=202).json()
    end = next(data for event, data in api.events(f"/v1/jobs/{job['id']}/events") if event == "end")
    assert end["state"] == "failed" and end["error"]["code"] == "invalid"
    assert 'period.excluded[0]: model "shelf" maps no column "shade"' in end["error"]["message"]


def lines_of_december(cluster, connection):
    """(customer, product, season) of the lines that count, returns too."""
    return cluster.sql(
        f"SELECT customer_id, stock_code, coalesce(season, '') FROM shop.order_lines "
        f"JOIN ({SEASONAL}) AS p USING (stock_code) JOIN shop.customers USING (customer_id) "
        f"WHERE invoice_date >= '2010-12-01' AND invoice_date < '2011-01-01' AND quantity <> 0",
        connection=connection)


def bought_after(cluster, connection):
    return set(cluster.sql(
        f"SELECT customer_id, stock_code FROM shop.order_lines WHERE invoice_date >= '2011-01-01' "
        f"AND invoice_date < '{WINTER}' AND customer_id IS NOT NULL", connection=connection))


def dropped(api, rule):
    card = api.get("/v1/predictions/next/versions/1").json()["card"]
    return next((entry for entry in card["dropped"] if entry["rule"] == rule), {"rows": 0})


def test_christmas_of_last_year_is_left_out_and_nothing_else(services, cluster, online_retail):
    """F11 on Online Retail: December's Christmas items by value; its other items stay."""
    service = services("christmas", SHORTLIST_SOURCE_SHOP_CONNECTION=online_retail)
    api = service.api
    seasonal = {**RETAIL[1], "sql": SEASONAL,
                "fields": [{"column": "product_name", "kind": "text"}, {"column": "season"}]}
    del seasonal["table"]
    for body in (RETAIL[0], seasonal, RETAIL[2]):
        api.post("/v1/models", body)
    of = {"models": {"users": "customers", "events": "order_lines", "products": "products"}}
    api.post("/v1/predictions", {"name": "Next", "id": "next", "period": {"to": WINTER}, **of})
    whole = api.get("/v1/predictions/next/estimate").json()["rows"]
    out = {"column": "season", "values": ["Christmas"]}
    api.patch("/v1/predictions/next", {"period": {"excluded": [{**DECEMBER, "products": out}]}})

    lines = lines_of_december(cluster, online_retail)
    christmas = [line for line in lines if line[2] == "Christmas"]
    assert 500 < len(christmas) < len(lines) / 2
    findings = api.get("/v1/predictions/next/validate").json()["findings"]
    assert "excluded_products" not in {f["code"] for f in findings}
    assert api.get("/v1/predictions/next/estimate").json()["rows"] < whole - len(christmas)
    with service.as_shipped():
        train(service.api, "next")
    api = service.api
    left_out = dropped(api, "excluded_period")
    assert left_out["rows"] == len(christmas)
    assert set(left_out["samples"]) <= {product for _, product, _ in christmas}

    # A customer who bought Christmas items only then has none of them, but what else was in December.
    after = {tuple(row) for row in bought_after(cluster, online_retail)}
    gone, kept = {}, {}
    for customer, product, season in lines:
        if season == "Christmas" and (customer, product) not in after:
            gone.setdefault(customer, set()).add(product)
        elif season != "Christmas":
            kept.setdefault(customer, set()).add(product)
    customer = max(gone.keys() & kept.keys(), key=lambda c: (len(gone[c]), c))
    path = f"/v1/predictions/next/users/{customer}"
    history = {item["product"] for item in api.get(path).json()["history"]}
    assert not gone[customer] & history and kept[customer] & history
    service.stop()
