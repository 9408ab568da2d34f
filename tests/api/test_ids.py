"""F2, F25, F26, F35, F41: ids that nobody would choose, all the way: read, trained on, asked for by
path, excluded, grouped, listed as CSV and NDJSON, and written to the output table."""
import csv
import http.client
import io
import json

import pytest

import bad_times
from bad_times import State, train
from client import part

LONG = "long " + "é" * 5000  # 10 kB of UTF-8
ODD = [
    "a/b", "../../etc/passwd", "/", "//", ".", "..", "a?b=c&d#e", "50%", "%2F", "%00", "100%25",
    "two words", " leading", "trailing ", "\ttab", "line\nbreak", "cr\r\nlf", "\n", " ",
    'double "quotes"', '"', "single 'quotes'", "'; DROP TABLE customers; --", "$1", "\\", "\\N", "\\.",
    "back\\slash", "a,b", "[1]", '["x"]', "{}", "null", "NULL", "true", "0", "-1", "007", "1e5",
    "emoji 😀", "👩‍👩‍👧‍👦", "ünïcödé", "u\u0308", "\u00fc", "日本語", "עברית", "\u202egnirts", "\ufeffbom",
    "\x01\x1f\x7f", "\u2028", "\U0010ffff", "=cmd()", "@x", "+49", "-- ", "/* */", "<script>", "Straße", "STRASSE",
    "K\u212a", "x" * 300, LONG]
SHORT = [id for id in ODD if id != LONG]
BLANK = " \t\n\v\f\r"  # what is trimmed from values of columns, never from ids
DOTS = (".", "..")  # clients resolve them before they send, encoded or not


def names(id):
    return ascii(id[:30])


@pytest.fixture(scope="module")
def service(services):
    return services("ids", SHORTLIST_SERVER_TARGET_MAX="32KiB", SHORTLIST_SERVER_HEADER_MAX="64KiB")


@pytest.fixture(scope="module")
def api(service):
    return service.api


@pytest.fixture(scope="module")
def shop(cluster, api):
    """Every odd id is a customer and a product; customer i buys product i and its neighbours."""
    shop = bad_times.Shop(cluster, "odd_ids")
    shop.add("customers", [(id, id) for id in ODD])
    shop.add("products", [(id, id, id[:200]) for id in ODD])
    shop.add("lines", [(100 * u + k, user, ODD[(u + k) % len(ODD)], f"2024-06-{1 + k} 12:00+00", 1)
                       for u, user in enumerate(ODD) for k in range(6)])
    shop.configure(api, n=10)
    train(api, shop.name)
    return shop


@pytest.fixture(scope="module")
def table(shop, service, cluster):
    """The output table's rows by user."""
    rows = {}
    for user, rank, score, version, key, item, when in State(service, cluster, shop.name).rows():
        rows.setdefault(user, []).append((rank, item))
    return rows


def recommend(api, user, query=""):
    return api.get(f"/v1/predictions/odd_ids/users/{part(user)}/recommendations{query}").json()


def test_output_table_has_every_id_byte_for_byte(table):
    """F25"""
    assert set(table) == set(ODD)
    assert {item for rows in table.values() for _, item in rows} <= set(ODD)


@pytest.mark.parametrize("user", [id for id in ODD if id not in DOTS], ids=names)
def test_id_is_found_by_its_path(user, api, table):
    """F26: percent-encoded, one segment, as the table has it."""
    answer = recommend(api, user)
    assert answer["user"] == user and answer["known"] and answer["scope"] == "predictable"
    assert [(i["rank"], i["product"]) for i in answer["items"]] == table[user]
    history = api.get(f"/v1/predictions/odd_ids/users/{part(user)}").json()
    at = ODD.index(user)
    assert {item["product"] for item in history["history"]} == \
        {ODD[(at + k) % len(ODD)] for k in range(6)}


@pytest.mark.parametrize("dots", DOTS)
def test_dots_are_an_id_when_encoded(dots, api, service, table):
    """F26: we resolve no path, so %2E is a dot."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    path = f"/v1/predictions/odd_ids/users/{dots.replace('.', '%2E')}/recommendations"
    connection.request("GET", path, headers={"Authorization": f"Bearer {service.key}"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200 and body["user"] == dots
    assert [(i["rank"], i["product"]) for i in body["items"]] == table[dots]


@pytest.mark.parametrize("product", SHORT, ids=names)
def test_excluded_id_leaves_the_list(product, api):
    """F26: as a JSON array any id can be excluded; nothing else goes."""
    user = ODD[3]
    full = [item["product"] for item in recommend(api, user, "?n=100")["items"]]
    assert len(full) == len(set(full))
    left = [item["product"] for item in
            recommend(api, user, f"?n=100&exclude={part(json.dumps([product]))}")["items"]]
    assert left == [item for item in full if item != product]


def test_all_ids_are_excluded_at_once(api):
    """F26"""
    excluded = part(json.dumps(SHORT[:40]))
    left = {item["product"] for item in recommend(api, ODD[0], f"?n=100&exclude={excluded}")["items"]}
    assert left and not left & set(SHORT[:40])


def test_names_come_back_as_they_are(api):
    """F26: fields of products whose names are as odd as their ids; only blank ends are trimmed."""
    for item in recommend(api, "a/b", "?n=100&fields=*")["items"]:
        assert item["fields"]["title"] == (item["product"].strip(BLANK) or None)


def test_drop_down_lists_the_odd_values_and_popular_takes_them(api):
    """F31, F35: column values are held to no alphabet either."""
    values = {entry["value"] for entry in api.pages("/v1/predictions/odd_ids/columns/colour/values")}
    assert {id for id in SHORT if id.strip() == id and len(id) <= 200} <= values
    for value in ("a/b", 'double "quotes"', "50%", "emoji 😀", "a,b"):
        found = api.get(f"/v1/predictions/odd_ids/popular?column=colour&value={part(value)}").json()
        assert [item["product"] for item in found["items"]] == [value]


def audience(api, **body):
    wished = {"name": "Odd", "prediction": "odd_ids", "max_size": 100, **body}
    return api.post("/v1/audiences", wished).json()


def members(api, made, kind):
    return api.get(f"/v1/audiences/{made['id']}/members?format={kind}").content.decode()


@pytest.mark.parametrize("product", ["a/b", '"', "line\nbreak", " leading", "%2F", "emoji 😀", "\\", "x" * 300],
                         ids=names)
def test_audience_of_an_odd_product_lists_the_same_members_in_each_form(product, api):
    """F35, F41: pages, CSV with quoting, NDJSON."""
    made = audience(api, product=product)
    assert made["product"] == product and made["size"] > 0
    paged = [(m["user"], m["rank"]) for m in api.pages(f"/v1/audiences/{made['id']}/members")]
    assert {user for user, _ in paged} <= set(ODD) and len(paged) == made["size"]
    lines = [json.loads(line) for line in members(api, made, "ndjson").split("\n") if line]
    assert [(line["user"], line["rank"]) for line in lines] == paged
    rows = list(csv.DictReader(io.StringIO(members(api, made, "csv"), newline="")))
    assert [(row["user"], int(row["rank"])) for row in rows] == paged
    api.delete(f"/v1/audiences/{made['id']}")


def test_audience_of_an_odd_value_is_exact_and_case_sensitive(api):
    """F35"""
    made = audience(api, column="colour", value="Straße")
    assert made["value"] == "Straße"
    api.delete(f"/v1/audiences/{made['id']}")
    unknown = api.post("/v1/audiences", {"name": "Odd", "prediction": "odd_ids", "max_size": 10,
                                         "column": "colour", "value": "straße"}, expect=422).json()
    (found,) = unknown["errors"]
    assert found["code"] == "unknown_value" and "Straße" in found["candidates"]


@pytest.mark.parametrize("user", ["b", "A/B", "a%2Fb", "two  words", "leading", "u", "\u0308u", "50%25"], ids=names)
def test_id_that_is_nearly_one_is_another(user, api):
    """F26: no trimming, no folding, no decoding twice."""
    answer = recommend(api, user)
    assert answer["user"] == user and not answer["known"] and answer["fallback"]


def test_id_beyond_the_limit_of_paths_is_refused_in_words(api):
    """F47"""
    answer = api.send("GET", f"/v1/predictions/odd_ids/users/{'x' * 40000}/recommendations")
    assert answer.status_code in (414, 431)
