"""The whole path on real order lines: UCI Online Retail (a gift shop with returns and guests) and
Complete Journey (groceries)."""
from client import part
from conftest import train

RETAIL = [
    {"id": "order_lines", "name": "Order lines", "type": "events", "source": "shop",
     "table": "shop.order_lines", "primary_key": "line_id", "user_key": "customer_id",
     "product_key": "stock_code", "time": "invoice_date", "quantity": "quantity",
     "order_key": "invoice_no", "price": "unit_price"},
    {"id": "products", "name": "Products", "type": "products", "source": "shop",
     "table": "shop.products", "primary_key": "stock_code",
     "fields": [{"column": "product_name", "kind": "text"}, {"column": "colour", "separator": "|"},
                {"column": "price", "kind": "numeric"}]},
    {"id": "customers", "name": "Customers", "type": "users", "source": "shop",
     "table": "shop.customers", "primary_key": "customer_id", "fields": [{"column": "country"}]},
]
GROCERIES = [
    {"id": "order_lines", "name": "Order lines", "type": "events", "source": "shop",
     "table": "journey.order_lines", "primary_key": "line_id", "user_key": "household_id",
     "product_key": "product_id", "time": "transaction_timestamp", "quantity": "quantity",
     "order_key": "basket_id", "price": "sales_value"},
    {"id": "products", "name": "Products", "type": "products", "source": "shop",
     "sql": "SELECT * FROM journey.products WHERE product_id IN "
            "(SELECT product_id FROM journey.order_lines GROUP BY product_id HAVING count(*) > 3)",
     "primary_key": "product_id",
     "fields": [{"column": "department"}, {"column": "brand"}, {"column": "product_type"}]},
    {"id": "households", "name": "Households", "type": "users", "source": "shop",
     "table": "journey.households", "primary_key": "household_id", "fields": [{"column": "age"}]},
]


def serve(services, name, connection, models, users):
    """A service over a real shop with a trained prediction "next". Trained as it is shipped; served
    by the binary under test."""
    service = services(name, start=False, SHORTLIST_SOURCE_SHOP_CONNECTION=connection)
    with service.as_shipped():
        for body in models:
            service.api.post("/v1/models", body)
        service.api.post("/v1/predictions", {"name": "Next", "id": "next", "models": {
            "users": users, "events": "order_lines", "products": "products"}})
        train(service.api, "next")
    return service


def ndcg(report, learner):
    return next(c for c in report["candidates"] if c["learner"] == learner)["test"]["any"]["ndcg"]


def test_online_retail_from_tables_to_lists(services, cluster, online_retail):
    """Also F36: an audience by the least probability."""
    service = serve(services, "retail", online_retail, RETAIL, "customers")
    api = service.api
    found = {f["code"]: f for f in api.get("/v1/predictions/next/validate").json()["findings"]}
    assert found["guest_events"]["count"] > 100000 and found["returns"]["count"] > 1000
    report = api.get("/v1/predictions/next/quality").json()["report"]
    assert ndcg(report, report["chosen"])["mean"] > ndcg(report, "popularity")["mean"]
    answer = api.get("/v1/predictions/next/users/14911/recommendations?fields=product_name").json()
    assert len(answer["items"]) == 10 and not answer["fallback"]
    assert all(item["fields"]["product_name"] for item in answer["items"])
    assert api.get("/v1/predictions/next/users/17850").json()["scope"] == "no_recent_purchase"
    red = api.post("/v1/audiences", {"name": "Red", "prediction": "next", "column": "colour",
                                     "value": "red", "max_size": 100}).json()
    assert red["size"] == 100
    members = api.get(f"/v1/audiences/{red['id']}/members").json()["items"]
    least = members[29]["probability"]
    sure = api.patch(f"/v1/audiences/{red['id']}", {"min_probability": least}).json()
    assert 30 <= sure["size"] < 100 and "reach a probability" in sure["short_because"]
    rows = cluster.sql("SELECT recommended_item_id FROM output_retail.recommendations_next "
                       "WHERE user_unique_id = '14911' ORDER BY ranking", connection=online_retail)
    assert [row[0] for row in rows] == [item["product"] for item in answer["items"]]
    service.stop()


def test_groceries_repeat_and_their_keys_are_numbers(services, cluster, complete_journey):
    """F15: auto learns that groceries are bought again; F25: the table has the shop's own types."""
    service = serve(services, "groceries", complete_journey, GROCERIES, "households")
    api = service.api
    report = api.get("/v1/predictions/next/quality").json()["report"]
    assert report["purchased_items"]["policy"] == "allow"
    assert report["purchased_items"]["decided"] == "auto"
    household = cluster.sql("SELECT user_unique_id FROM output_groceries.recommendations_next LIMIT 1",
                            connection=complete_journey)[0][0]
    assert isinstance(household, int)
    path = f"/v1/predictions/next/users/{part(household)}"
    answer = api.get(path + "/recommendations?fields=*").json()
    bought = {item["product"] for item in api.get(path).json()["history"]}
    assert bought & {item["product"] for item in answer["items"]}
    assert set(answer["items"][0]["fields"]) == {"department", "brand", "product_type"}
    service.stop()
