"""F3, F7, F13: data as no shop should have it. Each training succeeds with what is usable and says
what was not, or fails at once with a message that names the fault."""
import datetime
import itertools
import uuid

import pytest

import bad_times
from bad_times import State, refused, train
from client import part

NUMBERS = itertools.count()
DAY = datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.timezone.utc)


def day(n):
    return DAY + datetime.timedelta(days=n)


@pytest.fixture(scope="module")
def service(services):
    return services("data")


@pytest.fixture
def api(service):
    return service.api


@pytest.fixture
def empty(cluster):
    """empty(user type, product type): a shop of its own without rows."""
    return lambda *types: bad_times.Shop(cluster, f"odd{next(NUMBERS)}", *types)


@pytest.fixture
def ordinary(empty):
    """A shop like any other, before something happens to it."""
    return empty().fill(60, 20, 10)


def dropped(api, shop):
    card = api.get(f"/v1/predictions/{shop.name}/versions/1").json()["card"]
    return {entry["rule"]: entry["rows"] for entry in card["dropped"] if entry["rows"]}


def whole(service, shop, user="u1"):
    return State(service, shop.cluster, shop.name).check_whole(user)


def untouched(service, shop):
    """What a training that failed leaves: nothing."""
    state = State(service, shop.cluster, shop.name)
    assert state.versions() == {} and state.files() == [] and state.tables() == {}
    service.api.get(f"/v1/predictions/{shop.name}/users/u1/recommendations", expect=409)


# ---- the shop's schema changes under us ----

@pytest.mark.parametrize("change, names", [
    ("DROP TABLE {}.lines", "lines"),
    ("DROP TABLE {}.customers", "customers"),
    ("DROP TABLE {}.products", "products"),
    ("DROP SCHEMA {} CASCADE", ""),
    ("REVOKE SELECT ON {}.lines FROM shortlist_demo", "lines"),
    ("REVOKE USAGE ON SCHEMA {} FROM shortlist_demo", ""),
    ("ALTER TABLE {}.lines DROP COLUMN quantity", "quantity"),
    ("ALTER TABLE {}.lines RENAME customer_id TO client", "customer_id"),
    ("ALTER TABLE {}.products DROP COLUMN colour", "colour"),
    ("ALTER TABLE {}.lines ALTER bought_at TYPE text", "bought_at"),
    ("ALTER TABLE {}.lines ALTER quantity TYPE text", "quantity"),
    ("ALTER TABLE {}.lines ALTER quantity TYPE jsonb USING to_jsonb(quantity)", "quantity"),
    ("ALTER TABLE {}.lines ALTER bought_at TYPE int USING 1", "bought_at"),
])
def test_table_that_changed_after_configuration_fails_with_its_name(change, names, api, service,
                                                                    ordinary):
    """F2, F17: an error that says what is gone, and where; nothing published."""
    ordinary.configure(api)
    ordinary.sql(change)
    error = refused(api, ordinary.name)
    assert error["code"] == "invalid" and ordinary.name in error["message"], error
    assert names in error["message"], error
    untouched(service, ordinary)
    answer = api.send("GET", f"/v1/predictions/{ordinary.name}/validate")
    assert answer.status_code in (200, 422)
    assert answer.status_code == 422 or answer.json()["ok"] is False


def test_table_that_changed_between_two_trainings_leaves_the_first_serving(api, service, ordinary):
    """F21"""
    ordinary.configure(api)
    train(api, ordinary.name)
    ordinary.sql("ALTER TABLE {}.lines DROP COLUMN sku")
    assert "sku" in refused(api, ordinary.name)["message"]
    assert whole(service, ordinary) == 1


def test_key_that_changed_its_type_says_what_to_drop(api, service, ordinary):
    """F25: the output table was made for the old type."""
    ordinary.configure(api)
    train(api, ordinary.name)
    ordinary.sql("ALTER TABLE {}.customers ALTER id TYPE bigint USING substr(id, 2)::bigint;"
                 "ALTER TABLE {}.lines ALTER customer_id TYPE bigint USING substr(customer_id, 2)::bigint")
    error = refused(api, ordinary.name)
    assert error["code"] == "conflict" and "bigint" in error["message"] and "drop" in error["message"]
    assert whole(service, ordinary) == 1


def test_column_that_changed_to_a_fitting_type_is_read_on(api, service, ordinary):
    """F2: numeric or integer, timestamptz or date: the meaning is the same."""
    ordinary.configure(api)
    ordinary.sql("ALTER TABLE {}.lines ALTER quantity TYPE smallint USING quantity::smallint;"
                 "ALTER TABLE {}.lines ALTER bought_at TYPE date;"
                 "ALTER TABLE {}.products ALTER colour TYPE char(20)")
    train(api, ordinary.name)
    whole(service, ordinary)


# ---- nothing, or nothing usable ----

def lines_of(count, **changed):
    """Lines of ten customers and five products; `changed` gives single columns."""
    base = {"user": "u{}", "sku": "p{}", "when": DAY, "quantity": 1, **changed}
    return [(n, base["user"] and base["user"].format(1 + n % 10),
             base["sku"] and base["sku"].format(1 + n % 5), base["when"], base["quantity"])
            for n in range(count)]


UNUSABLE = {
    "no lines": [],
    "only guests": lines_of(50, user=None),
    "only blank customers": lines_of(50, user=""),
    "only unknown customers": lines_of(50, user="x{}"),
    "only unknown products": lines_of(50, sku="POST{}"),
    "no product at all": lines_of(50, sku=None),
    "only returns": lines_of(50, quantity=-1),
    "only zeros": lines_of(50, quantity=0),
    "no quantity": lines_of(50, quantity=None),
    "quantity is no number": lines_of(50, quantity="NaN"),
    "no time": lines_of(50, when=None),
    "time without end": lines_of(50, when="infinity"),
    "only the far future": lines_of(50, when="2099-01-01"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_data_without_one_usable_purchase_fails_and_says_so(what, api, service, empty):
    """F3, F13, F17"""
    shop = empty()
    shop.sql("INSERT INTO {}.customers SELECT 'u' || n FROM generate_series(1, 10) AS n;"
             "INSERT INTO {}.products SELECT 'p' || n FROM generate_series(1, 5) AS n")
    shop.add("lines", UNUSABLE[what])
    shop.configure(api)
    error = refused(api, shop.name)
    assert error["code"] == "invalid" and "purchase" in error["message"], error
    untouched(service, shop)


@pytest.mark.parametrize("table", ["customers", "products", "lines"])
def test_empty_table_fails_and_says_so(table, api, service, ordinary):
    """F17"""
    ordinary.configure(api)
    ordinary.sql(f"TRUNCATE {{}}.{table}")
    assert refused(api, ordinary.name)["code"] == "invalid"
    untouched(service, ordinary)


def test_excluded_period_over_all_the_data_fails_and_says_so(api, service, ordinary):
    """F11"""
    ordinary.configure(api, period={"excluded": [
        {"from": "2000-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z", "reason": "everything"}]})
    assert "purchase" in refused(api, ordinary.name)["message"]
    untouched(service, ordinary)


def test_training_period_without_data_fails_and_says_so(api, service, ordinary):
    """F11"""
    ordinary.configure(api, period={"from": "1990-01-01T00:00:00Z", "to": "1991-01-01T00:00:00Z"})
    assert "purchase" in refused(api, ordinary.name)["message"]
    untouched(service, ordinary)


# ---- little ----

def scores_are_ordered(answer):
    scores = [item["score"] for item in answer["items"]]
    return scores and scores[0] == 1 and scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("users, products, lines", [(1, 1, 1), (1, 1, 30), (1, 12, 60), (30, 1, 5),
                                                    (2, 2, 1), (3, 3, 40)])
def test_smallest_shops_get_lists(users, products, lines, api, service, empty):
    """F18, F26: one customer, one product: a version serves, by whatever learner."""
    shop = empty().fill(users, products, lines).configure(api)
    train(api, shop.name)
    whole(service, shop)
    for user in ("u1", "a stranger"):
        answer = api.get(f"/v1/predictions/{shop.name}/users/{part(user)}/recommendations").json()
        assert scores_are_ordered(answer) and len(answer["items"]) <= products
    quality = api.get(f"/v1/predictions/{shop.name}/quality").json()
    assert quality["report"]["reason"]


def test_customer_who_bought_everything_gets_an_answer_when_bought_is_excluded(api, service, empty):
    """F15, F26: nothing is left to recommend, and that is said, not an error."""
    shop = empty()
    shop.sql("INSERT INTO {}.customers SELECT 'u' || n FROM generate_series(1, 8) AS n;"
             "INSERT INTO {}.products SELECT 'p' || n FROM generate_series(1, 6) AS n;"
             "INSERT INTO {}.lines SELECT u * 10 + p, 'u' || u, 'p' || p, timestamptz '2024-06-01'"
             " + p * interval '1 day', 1 FROM generate_series(1, 8) AS u, generate_series(1, 6) AS p"
             " WHERE u < 8 OR p < 3")
    shop.configure(api, purchased_items="exclude")
    train(api, shop.name)
    sated = api.get(f"/v1/predictions/{shop.name}/users/u1/recommendations").json()
    assert sated["known"] and sated["items"] == []
    other = api.get(f"/v1/predictions/{shop.name}/users/u8/recommendations").json()
    assert {item["product"] for item in other["items"]} == {"p3", "p4", "p5", "p6"}


def test_everything_bought_once_is_learnt_from(api, service, empty):
    """F18: no repeats at all, each product by one customer."""
    shop = empty()
    shop.sql("INSERT INTO {}.customers SELECT 'u' || n FROM generate_series(1, 30) AS n;"
             "INSERT INTO {}.products SELECT 'p' || n FROM generate_series(1, 300) AS n;"
             "INSERT INTO {}.lines SELECT n, 'u' || 1 + n % 30, 'p' || n, timestamptz '2024-06-01'"
             " - n * interval '1 hour', 1 FROM generate_series(1, 300) AS n")
    shop.configure(api, purchased_items="auto")
    train(api, shop.name)
    whole(service, shop)


def test_all_at_one_moment_is_learnt_from(api, service, empty):
    """F18: no time to split by."""
    shop = empty().fill(40, 15, 10)
    shop.sql("UPDATE {}.lines SET bought_at = '2024-06-01 12:00+00'")
    shop.configure(api)
    train(api, shop.name)
    whole(service, shop)


def test_one_customer_with_twenty_thousand_lines_is_one_among_many(api, service, ordinary):
    """F26: a wholesaler, or a till's own number."""
    ordinary.sql("INSERT INTO {}.lines SELECT 10000 + n, 'u1', 'p' || 1 + n % 20, timestamptz"
                 " '2024-12-01' - n * interval '1 minute', 1 FROM generate_series(1, 20000) AS n")
    ordinary.configure(api)
    train(api, ordinary.name)
    whole(service, ordinary)
    history = api.get(f"/v1/predictions/{ordinary.name}/users/u1").json()
    assert history["history_total"] >= 20 and len(history["history"]) <= 100


# ---- dirty ----

def test_row_of_the_far_future_does_not_move_the_anchor(api, service, ordinary):
    """F13: rows later than now plus a day are counted and left out; everybody stays in scope."""
    ordinary.configure(api)
    ordinary.add("lines", [(99999, "u1", "p1", "2099-01-01", 1)])
    train(api, ordinary.name)
    assert dropped(api, ordinary) == {"future": 1}
    whole(service, ordinary)
    assert api.get(f"/v1/predictions/{ordinary.name}/users/u2").json()["scope"] == "predictable"


def test_returns_cancel_and_never_count(api, service, empty):
    """F3: who returned everything has no purchase."""
    shop = empty().fill(20, 10, 10)
    shop.sql("INSERT INTO {}.lines SELECT 10000 + line_id, customer_id, sku, bought_at + interval '1 day',"
             " -quantity FROM {}.lines WHERE customer_id = 'u1'")
    shop.configure(api)
    train(api, shop.name)
    assert dropped(api, shop)["returned"] > 0
    assert api.get(f"/v1/predictions/{shop.name}/users/u1").json()["scope"] == "no_purchase"
    whole(service, shop, "u2")


def test_nulls_in_every_column_are_counted_and_left_out(api, service, ordinary):
    """F7: each row under one rule, none of them in the way."""
    ordinary.add("lines", [(None, None, None, None, None), (90001, "u1", None, DAY, 1),
                           (90002, None, "p1", DAY, 1), (90003, "u1", "p1", None, 1),
                           (90004, "u1", "p1", DAY, None), (None, "u1", "p1", DAY, 1)])
    ordinary.add("customers", [(None, "nowhere"), (None, None), ("lost", None)])
    ordinary.add("products", [(None, "nothing", None), ("bare", None, None)])
    ordinary.configure(api)
    train(api, ordinary.name)
    rules = dropped(api, ordinary)
    assert rules["no_user"] == 2 and rules["no_product"] == 1 and rules["no_time"] == 1
    assert rules["bad_quantity"] == 1
    whole(service, ordinary)
    items = api.get(f"/v1/predictions/{ordinary.name}/users/u1/recommendations?fields=*").json()["items"]
    assert items and all(set(item["fields"]) == {"title", "colour"} for item in items)


def test_duplicate_keys_count_once(api, service, ordinary):
    """F7: the doctor reports them; a training takes the first row of each."""
    ordinary.sql("INSERT INTO {}.customers SELECT id, 'twice' FROM {}.customers;"
                 "INSERT INTO {}.products SELECT sku, 'twice', 'twice' FROM {}.products;"
                 "INSERT INTO {}.lines SELECT * FROM {}.lines WHERE line_id % 3 = 0")
    ordinary.configure(api)
    findings = api.get(f"/v1/predictions/{ordinary.name}/validate").json()
    assert findings["ok"] is False and findings["errors"] >= 1
    train(api, ordinary.name)
    card = api.get(f"/v1/predictions/{ordinary.name}/versions/1").json()["card"]
    assert card["scope"]["predictable_users"] == 60 and card["scope"]["predictable_products"] <= 20
    whole(service, ordinary)


def test_absurd_numbers_and_ancient_times_are_no_harm(api, service, ordinary):
    """F7, F13"""
    ordinary.add("lines", [(90001, "u1", "p1", "4713-01-02 BC", 1), (90002, "u2", "p2", DAY, "1e300"),
                           (90003, "u3", "p3", DAY, "1e-300"), (90004, "u4", "p4", "-infinity", 1),
                           (90005, "u5", "p5", DAY, "9" * 200), (90006, "u6", "p6", "0001-01-01", 7)])
    ordinary.configure(api)
    train(api, ordinary.name)
    whole(service, ordinary)


# ---- types of keys ----

def keys(kind, n):
    return {"uuid": str(uuid.UUID(int=n << 64 | n)), "numeric": f"{n}.5", "numeric(20,0)": str(n * 10 ** 15),
            "char(12)": f"c{n}"}.get(kind, f"c{n}" if kind in ("text", "varchar(20)") else str(n))


@pytest.mark.parametrize("users, products", [
    ("bigint", "integer"), ("uuid", "text"), ("text", "uuid"), ("numeric", "varchar(20)"),
    ("varchar(20)", "bigint"), ("smallint", "numeric(20,0)"), ("char(12)", "smallint")])
def test_output_follows_the_shop_s_own_key_types(users, products, api, service, empty, cluster):
    """F25, F26: joins to the shop's tables need no cast, and the API takes the same ids as text."""
    shop = empty(users, products)
    shop.add("customers", [(keys(users, n), "x") for n in range(1, 31)])
    shop.add("products", [(keys(products, n), f"title {n}", "red") for n in range(1, 11)])
    shop.add("lines", [(n, keys(users, 1 + n % 30), keys(products, 1 + n * 7 % 10), day(-n % 200), 1)
                       for n in range(240)])
    shop.configure(api)
    train(api, shop.name)
    state = State(service, cluster, shop.name)
    joined = cluster.sql(f"SELECT count(*), count(DISTINCT c.id)"
                         f" FROM {state.view} JOIN {shop.name}.customers c ON c.id = user_unique_id"
                         f" JOIN {shop.name}.products p ON p.sku = recommended_item_id")
    assert joined[0] == (len(state.rows()), 30)
    types = dict(cluster.sql("SELECT attname, format_type(atttypid, -1) FROM pg_attribute"
                             f" WHERE attrelid = '{state.view}'::regclass"))
    plain = {"varchar(20)": "character varying", "numeric(20,0)": "numeric", "char(12)": "bpchar"}
    assert types["user_unique_id"] == plain.get(users, users)
    assert types["recommended_item_id"] == plain.get(products, products)
    answer = state.served(keys(users, 3))
    assert answer["known"] and answer["scope"] == "predictable" and answer["items"]
    ours = {item["product"] for item in answer["items"]}
    assert ours <= {keys(products, n) for n in range(1, 11)}
