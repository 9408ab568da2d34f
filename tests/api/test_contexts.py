"""F6, F26: who has no list of their own gets what is popular with customers of whom the same is known."""
import pytest

from conftest import train

FEW, MANY = 40, 120  # buyers in Chile and in Peru
NEW = {"cold-chile": ("Chile", "no_purchase"), "cold-peru": ("Peru", "no_purchase"),
       "only-carts": ("Chile", "no_purchase"), "lapsed": ("Chile", "no_recent_purchase"),
       "cold-somewhere": (None, "no_purchase"), "cold-elsewhere": ("Atlantis", "no_purchase")}

# In Chile eight of ten purchases are of ponchos, in Peru of hats; everybody buys some tea.
TABLES = f"""
CREATE SCHEMA andes;
CREATE TABLE andes.customers (id text PRIMARY KEY, country text, languages text, born int);
INSERT INTO andes.customers SELECT 'b' || n, CASE WHEN n < {FEW} THEN 'Chile' ELSE 'Peru' END,
    CASE WHEN n < {FEW} THEN 'es' ELSE 'es|qu' END, CASE WHEN n < {FEW} THEN 1990 ELSE 1950 END + n % 10
    FROM generate_series(0, {FEW + MANY - 1}) AS n;
INSERT INTO andes.customers VALUES ('cold-young', NULL, NULL, 2006), ('cold-old', NULL, NULL, 1936);
CREATE TABLE andes.products (sku text PRIMARY KEY, colour text);
INSERT INTO andes.products SELECT kind || n, 'red'
    FROM unnest(ARRAY['poncho', 'hat', 'tea']) AS kind, generate_series(1, 3) AS n;
INSERT INTO andes.products VALUES ('rarity', 'blue'), ('unsold', 'blue');
CREATE TABLE andes.order_lines AS SELECT 1000 * buyer + line AS id, 'b' || buyer AS who,
    CASE WHEN line % 5 = 4 THEN 'tea' WHEN buyer < {FEW} THEN 'poncho' ELSE 'hat' END
        || 1 + (buyer + line / 5) % 3 AS what,
    timestamptz '2024-06-01' - interval '1 day' * ((buyer * 7 + line * 11) % 60) AS at, 1 AS pieces
    FROM generate_series(0, {FEW + MANY - 1}) AS buyer, generate_series(0, 19) AS line;
INSERT INTO andes.order_lines VALUES
    (-1, 'lapsed', 'poncho1', '2023-01-01', 1), (-2, 'lapsed', 'rarity', '2023-01-01', 1);
CREATE TABLE andes.carts AS SELECT 1 AS id, 'only-carts' AS who, 'hat1' AS what, timestamptz '2024-05-30' AS at;
GRANT USAGE ON SCHEMA andes TO shortlist_demo;
GRANT SELECT ON ALL TABLES IN SCHEMA andes TO shortlist_demo;
"""

EVENTS = {"type": "events", "source": "shop", "primary_key": "id", "user_key": "who",
          "product_key": "what", "time": "at"}
MODELS = [
    {"id": "people", "name": "People", "type": "users", "source": "shop", "table": "andes.customers",
     "primary_key": "id", "fields": [{"column": "country"}, {"column": "languages", "separator": "|"},
                                           {"column": "born", "kind": "numeric"}]},
    {"id": "goods", "name": "Goods", "type": "products", "source": "shop", "table": "andes.products",
     "primary_key": "sku", "fields": [{"column": "colour"}]},
    {"id": "sales", "name": "Sales", "table": "andes.order_lines", "quantity": "pieces", **EVENTS},
    {"id": "carts", "name": "Carts", "table": "andes.carts", **EVENTS},
]
ANDES = "/v1/predictions/andes"


@pytest.fixture(scope="module")
def andes(services, cluster):
    """A service whose one prediction is of the shop in the Andes."""
    cluster.sql(TABLES)
    for user, (country, _) in NEW.items():
        cluster.sql("INSERT INTO andes.customers VALUES (%s, %s)", (user, country))
    service = services("andes")
    for model in MODELS:
        service.api.post("/v1/models", model)
    service.api.post("/v1/predictions", {
        "name": "Andes", "id": "andes", "n": 5, "purchased_items": "exclude",
        "models": {"users": "people", "products": "goods", "events": "sales",
                   "signals": [{"model": "carts", "weight": 0.1, "half_life_days": 7}]}})
    train(service.api, "andes")
    yield service
    cluster.sql("DROP SCHEMA andes CASCADE")


def recommend(service, user, query=""):
    return service.api.get(f"{ANDES}/users/{user}/recommendations{query}").json()


def kinds(answer):
    return [item["product"][:-1] for item in answer["items"]]


def sources(answer):
    return {item["source"] for item in answer["items"]}


@pytest.mark.parametrize("user, first", [("cold-chile", "poncho"), ("only-carts", "poncho"), ("cold-peru", "hat")])
def test_who_never_bought_gets_the_best_sellers_of_the_country(andes, user, first):
    """F6, F26: also one whose only trace is a cart."""
    answer = recommend(andes, user)
    assert kinds(answer)[:3] == [first] * 3 and sources(answer) == {"popular_segment"}
    assert answer["known"] and answer["fallback"] and answer["scope"] == "no_purchase"
    assert answer["context"] == {"country": NEW[user][0]}
    scores = [item["score"] for item in answer["items"]]
    assert scores[0] == 1 and scores == sorted(scores, reverse=True)
    assert [item["probability"] for item in answer["items"]] == [None] * 5


@pytest.mark.parametrize("user, first, beyond", [("cold-young", "poncho", "over 1994"), ("cold-old", "hat", "up to 195")])
def test_of_numbers_the_band_is_what_is_known(andes, user, first, beyond):
    """F6, F26: also beyond what any buyer has; Chile's were born in the nineties, Peru's in the fifties."""
    answer = recommend(andes, user)
    assert kinds(answer)[:3] == [first] * 3 and sources(answer) == {"popular_segment"}
    assert list(answer["context"]) == ["born"] and answer["context"]["born"].startswith(beyond)


def test_a_storefront_is_not_told_what_is_known_of_a_customer(andes):
    """F26, F47: the products are the same, the values behind them stay with the marketers."""
    key = andes.api.post("/v1/keys", {"name": "page", "scopes": ["storefront"]}).json()["key"]
    seen = andes.api.with_key(key).get(f"{ANDES}/users/cold-chile/recommendations").json()
    told = recommend(andes, "cold-chile")
    assert seen["items"] == told["items"] and "context" not in seen and "context" in told


@pytest.mark.parametrize("user", ["nobody", "cold-somewhere", "cold-elsewhere"])
def test_who_is_unknown_or_of_no_known_country_gets_what_everybody_buys(andes, user):
    """F26: as before there were contexts; a country where nobody bought tells nothing."""
    answer = recommend(andes, user)
    assert kinds(answer)[:3] == ["hat"] * 3 and sources(answer) == {"popular"}
    assert answer["fallback"] and "context" not in answer
    assert answer["scope"] == NEW.get(user, (None, "unknown"))[1]


def test_who_bought_long_ago_gets_it_without_what_was_bought(andes):
    """F13, F15, F26: neither bought products nor such as nobody bought for a year."""
    answer = recommend(andes, "lapsed", "?n=100")
    assert answer["scope"] == "no_recent_purchase" and answer["context"] == {"country": "Chile"}
    listed = [item["product"] for item in answer["items"]]
    assert set(listed[:2]) == {"poncho2", "poncho3"} and len(listed) == 8
    assert not {"poncho1", "rarity", "unsold"} & set(listed)


def test_n_exclude_and_fields_are_obeyed_in_context(andes):
    """F26"""
    full = recommend(andes, "cold-chile", "?n=100")
    listed = [item["product"] for item in full["items"]]
    assert len(listed) == 9 == len(set(listed))
    answer = recommend(andes, "cold-chile", f"?n=2&exclude={listed[0]},{listed[2]}&fields=colour")
    assert [item["product"] for item in answer["items"]] == [listed[1], listed[3]]
    assert [item["rank"] for item in answer["items"]] == [1, 2] and answer["items"][0]["score"] == 1
    assert {item["fields"]["colour"] for item in answer["items"]} == {"red"}
    nothing = recommend(andes, "cold-chile", "?exclude=" + ",".join(listed))
    assert nothing["items"] == [] and "context" not in nothing


def test_predictable_customers_keep_lists_of_their_own(andes):
    """F26: the context is for who has nothing else."""
    answer = recommend(andes, "b1", "?n=3")
    assert answer["scope"] == "predictable" and "popular_segment" not in sources(answer)
    assert "context" not in answer


def test_the_output_table_has_predictable_customers_alone(andes, cluster):
    """F25"""
    rows = cluster.sql("SELECT DISTINCT user_unique_id, source FROM output_andes.recommendations_andes")
    assert not {user for user, _ in rows} & set(NEW)
    assert {source for _, source in rows} <= {"personal", "popular"}


def test_a_context_may_have_several_values_of_a_column(andes, cluster):
    """F6: of a column with a separator."""
    cluster.sql("UPDATE andes.customers SET languages = 'qu|es' WHERE id = 'cold-peru'")
    train(andes.api, "andes")
    answer = recommend(andes, "cold-peru")
    assert answer["context"]["country"] == "Peru" and set(answer["context"]["languages"]) == {"es", "qu"}
    assert kinds(answer)[:3] == ["hat"] * 3


def test_contexts_are_served_after_a_restart_without_postgresql(andes, cluster):
    """F26, F48: from the snapshot alone."""
    before = {user: recommend(andes, user) for user in NEW}
    andes.stop()
    cluster.stop()
    try:
        andes.start(with_key=False)
        assert {user: recommend(andes, user) for user in NEW} == before
    finally:
        cluster.start()
