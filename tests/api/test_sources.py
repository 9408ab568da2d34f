"""F1: sources come from the settings; what is readable and what right is missing."""
import shop


def test_sources_are_those_of_the_settings_without_secrets(api):
    answer = api.get("/v1/sources")
    assert [source["name"] for source in answer.json()["items"]] == ["shop"]
    assert "host=" not in answer.text and "port=" not in answer.text


def test_tables_are_what_the_role_may_read(api, service):
    tables = {f"{t['schema']}.{t['table']}": t for t in api.pages("/v1/sources/shop/tables", limit=1)}
    assert {"toys.customers", "toys.products", "toys.order_lines"} <= tables.keys()
    assert "closed.secrets" not in tables
    assert not any(name.startswith(("pg_catalog", "information_schema", f"output_{service.name}."))
                   for name in tables)
    assert {"name": "sku", "type": "text", "nullable": False} in tables["toys.products"]["columns"]


def test_check_of_a_source_with_all_rights_is_good(api, untrained):
    check = api.get(f"/v1/sources/shop/check?prediction={untrained}").json()
    assert check["ok"] and check["reachable"] and check["missing"] == []
    assert check["role"] == "shortlist_demo"


def test_check_names_the_grant_that_is_missing(api, cluster, untrained):
    cluster.sql("REVOKE SELECT ON toys.products FROM shortlist_demo")
    try:
        check = api.get(f"/v1/sources/shop/check?prediction={untrained}").json()
    finally:
        cluster.sql("GRANT SELECT ON toys.products TO shortlist_demo")
    assert not check["ok"] and check["reachable"]
    grants = [missing["grant"] for missing in check["missing"]]
    assert any(grant.startswith("GRANT SELECT") and "products" in grant for grant in grants)


def test_check_of_an_unreachable_source_is_an_answer(services):
    api = services("unreachable",
                   SHORTLIST_SOURCE_SHOP_CONNECTION="host=127.0.0.1 port=1 user=x password=hush").api
    answer = api.get("/v1/sources/shop/check")
    assert not answer.json()["ok"] and not answer.json()["reachable"]
    assert "hush" not in answer.text
    assert api.get("/v1/sources/shop/tables", expect=503).headers["Retry-After"]


def test_unknown_source_says_what_was_meant(api):
    assert "shop" in api.get("/v1/sources/shpo/tables", expect=404).json()["hint"]


def test_check_of_an_unknown_prediction_is_a_fault_of_the_query(api):
    answer = api.get("/v1/sources/shop/check?prediction=nothing", expect=422)
    assert answer.json()["errors"][0]["pointer"] == "?prediction"
