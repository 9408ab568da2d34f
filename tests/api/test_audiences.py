"""F35, F36, F41: audiences for a product or a value, their size, their members."""
import csv
import io
import json

import pytest

import shop
from client import fault, faults, part
from conftest import train

RED = {"name": "Red things", "id": "red", "prediction": "next", "column": "colour", "value": "red"}


@pytest.fixture
def red(api, trained):
    made = api.post("/v1/audiences", RED)
    yield made.json()
    api.send("DELETE", "/v1/audiences/red", headers={"If-Match": "*"})


def make(api, **change):
    body = {"name": "Try", "id": "try", "prediction": "next", **change}
    made = api.post("/v1/audiences", body).json()
    api.delete("/v1/audiences/try")
    return made


def test_audience_without_a_size_is_the_top_twenty_per_cent(red):
    assert red["percentile"] == 20 and red["predictable"] == 198 and red["version"] == 1
    assert red["size"] <= 40 and (red["size"] == 40) == (red["short_because"] is None)


def test_size_is_a_maximum_and_says_why_it_is_short(api, trained):
    """F36"""
    assert make(api, product="P000", max_size=7)["size"] == 7
    short = make(api, product="P000", max_size=100000)
    assert short["size"] <= 198 and "198" in short["short_because"]


def test_members_are_those_who_want_it_best_first(api, trained):
    """Customers of the group that buys the first quarter want its products more than others do."""
    made = make_kept(api, product="P002", max_size=20)
    members = list(api.pages(f"/v1/audiences/{made['id']}/members"))
    assert [member["rank"] for member in members] == list(range(1, len(members) + 1))
    scores = [member["score"] for member in members]
    assert scores[0] == 1 and scores == sorted(scores, reverse=True)
    numbers = {customer: i for i, (customer, _) in enumerate(shop.customers())}
    own = sum(numbers[member["user"]] % 4 == 0 for member in members)
    assert own > len(members) / 2
    api.delete(f"/v1/audiences/{made['id']}")


def make_kept(api, **body):
    return api.post("/v1/audiences", {"name": "Kept", "id": "kept", "prediction": "next", **body}).json()


def test_every_form_lists_the_same_members(api, red):
    """F41: pages, CSV and NDJSON, by format or Accept."""
    path = "/v1/audiences/red/members"
    pages = list(api.pages(path, limit=7))
    assert len(pages) == red["size"]
    table = api.get(path + "?format=csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="red.csv"'
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["user"], int(row["rank"]), float(row["score"])) for row in rows] == \
        [(member["user"], member["rank"], member["score"]) for member in pages]
    lines = api.get(path + "?format=ndjson")
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.content.splitlines()] == pages
    for accept, text in (("text/csv", table.text), ("text/csv;q=0.9, */*", table.text),
                         ("application/x-ndjson", lines.text)):
        assert api.get(path, headers={"Accept": accept}).text == text
    api.get(path, headers={"Accept": "application/xml"}, expect=406)


def test_csv_quotes_what_needs_it(api, trained):
    made = make_kept(api, product="P001", percentile=100)
    names = {row["user"] for row in csv.DictReader(io.StringIO(
        api.get("/v1/audiences/kept/members?format=csv").text, newline=""))}
    members = {member["user"] for member in api.pages("/v1/audiences/kept/members")}
    assert names == members and len(members) == made["size"]
    api.delete("/v1/audiences/kept")


@pytest.mark.parametrize("query, pointer", [
    ("limit=0", "?limit"), ("limit=1001", "?limit"), ("format=xml", "?format"), ("cursor=x", "?cursor"),
    ("format=csv&limit=5", "?limit"), ("format=ndjson&cursor=x", "?cursor")])
def test_bad_questions_for_members_are_refused(api, red, query, pointer):
    assert pointer in faults(api.get(f"/v1/audiences/red/members?{query}", expect=422))


def test_cursor_of_another_definition_conflicts(api, red):
    cursor = api.get("/v1/audiences/red/members?limit=1").json()["next_cursor"]
    api.patch("/v1/audiences/red", {"value": "green"})
    answer = api.get(f"/v1/audiences/red/members?limit=1&cursor={part(cursor)}", expect=409).json()
    assert answer["code"] == "conflict" and "start again" in answer["hint"]


NEW = {"name": "New toy", "id": "new", "prediction": "next", "percentile": 100}


def test_product_not_yet_sold_is_described_by_its_attributes(api, trained):
    """F35: who wants the products most like it, which are named, with what they share."""
    made = api.post("/v1/audiences", {**NEW, "attributes": [
        {"column": "category", "value": "group 0"}, {"column": "colour", "value": "green"},
        {"column": "price", "value": "11.0"}, {"column": "colour", "value": "ultraviolet", "new": True}]})
    assert made.json() == api.get("/v1/audiences/new").json()
    first, *others = made.json()["similar_products"]
    assert first["product"] == "P011" and first["similarity"] == 1
    assert first["shared"] == ["category", "colour", "price"]
    similarities = [similar["similarity"] for similar in [first, *others]]
    assert similarities == sorted(similarities, reverse=True) and similarities[-1] >= similarities[0] / 2
    assert made.json()["ignored_attributes"] == [{"column": "colour", "value": "ultraviolet"}]
    assert made.json()["attributes"][3] == {"column": "colour", "value": "ultraviolet", "new": True}
    members = list(api.pages("/v1/audiences/new/members", limit=50))
    assert len(members) == made.json()["size"] > 100
    assert members[0]["score"] == 1 and {member["probability"] for member in members} == {None}
    numbers = {customer: i for i, (customer, _) in enumerate(shop.customers())}
    own = sum(numbers[member["user"]] % 4 == 0 for member in members[:20])
    assert own > 10, "most of the first are of the customers who buy this group of products"
    lines = api.get("/v1/audiences/new/members?format=ndjson").content.splitlines()
    assert [json.loads(line) for line in lines] == members
    changed = api.patch("/v1/audiences/new", {"attributes": None, "product": "P001"}).json()
    assert "similar_products" not in changed and "attributes" not in changed
    api.delete("/v1/audiences/new")


@pytest.mark.parametrize("attributes, pointer, code, candidates", [
    ([{"column": "colour", "value": "Red"}], "/attributes/0/value", "unknown_value", ["red"]),
    ([{"column": "colour", "value": "red"}, {"column": "category", "value": "Toy"}],
     "/attributes/1/value", "unknown_value", ["toy"]),
    ([{"column": "color", "value": "red"}], "/attributes/0/column", "unknown_reference", ["colour"]),
    ([{"column": "product_name", "value": "Toy 1"}], "/attributes/0/column", "wrong_type",
     ["colour", "category", "price"]),
    ([{"column": "price", "value": "cheap"}], "/attributes/0/value", "invalid", None),
    ([{"column": "colour", "value": "ultraviolet", "new": True}], "/attributes", "unknown_value", None),
    ([], "/attributes", "out_of_range", None),
    ([{"column": "colour", "value": "red"}] * 2, "/attributes/1", "duplicate", None),
    ([{"column": "price", "value": str(i)} for i in range(21)], "/attributes", "out_of_range", None)])
def test_bad_attributes_are_refused(api, trained, attributes, pointer, code, candidates):
    """F35: exact and case sensitive, with near misses; a value may be new on purpose, not all of them."""
    found = fault(api.post("/v1/audiences", {**NEW, "attributes": attributes}, expect=422), pointer)
    assert found["code"] == code and found.get("candidates") == candidates
    if code == "unknown_value" and candidates:
        assert '"new": true' in found["hint"]


def test_unknown_value_and_product_offer_near_misses(api, trained):
    """F35: exact and case sensitive."""
    answer = api.post("/v1/audiences", {**RED, "value": "Red"}, expect=422)
    assert fault(answer, "/value")["code"] == "unknown_value"
    assert fault(answer, "/value")["candidates"] == ["red"]
    answer = api.post("/v1/audiences", {"name": "x", "prediction": "next", "product": "p001"}, expect=422)
    assert "P001" in fault(answer, "/product")["candidates"]
    answer = api.post("/v1/audiences", {**RED, "column": "color"}, expect=422)
    assert fault(answer, "/column")["candidates"] == ["colour"]
    assert "map it" in fault(answer, "/column")["hint"]
    answer = api.post("/v1/audiences", {**RED, "prediction": "nxet"}, expect=422)
    assert "next" in fault(answer, "/prediction")["candidates"]


@pytest.mark.parametrize("change, pointers", [
    ({"product": "P001"}, {"/product"}),
    ({"value": None}, {"/value"}),
    ({"column": None}, {"/column"}),
    ({"max_size": 5, "percentile": 5}, {"/percentile"}),
    ({"max_size": 0}, {"/max_size"}),
    ({"percentile": 0}, {"/percentile"}),
    ({"percentile": 100.1}, {"/percentile"}),
    ({"min_probability": 0}, {"/min_probability"}),
    ({"min_probability": 1.1}, {"/min_probability"}),
    ({"min_probability": .1, "max_size": 5, "percentile": 5}, {"/percentile"}),
    ({"min_probability": .1, "column": None, "value": None,
      "attributes": [{"column": "colour", "value": "red"}]}, {"/min_probability"}),
    ({"budget": 5, "name": ""}, {"/budget", "/name"}),
])
def test_bad_audiences_are_refused(api, trained, change, pointers):
    assert pointers <= faults(api.post("/v1/audiences", {**RED, **change}, expect=422)).keys()


def test_audience_of_an_untrained_prediction_is_not_ready(api, red, untrained):
    body = {"name": "Early", "prediction": untrained, "product": "P001"}
    assert "trainings" in api.post("/v1/audiences", body, expect=409).json()["hint"]
    api.patch("/v1/audiences/red", {"prediction": untrained}, expect=409)


def test_audience_keeps_its_prediction(api, red):
    answer = api.delete("/v1/predictions/next", expect=409).json()
    assert "red" in answer["detail"]


def test_audience_is_changed_and_listed(api, red):
    changed = api.patch("/v1/audiences/red", {"max_size": 3, "percentile": None}).json()
    assert changed["size"] == 3 and "percentile" not in changed
    assert api.get("/v1/audiences/red").json() == changed
    listed = {item["id"]: item for item in api.pages("/v1/audiences", limit=1)}
    assert listed["red"]["max_size"] == 3


def test_audience_follows_the_active_version(api, untrained):
    train(api, untrained)
    made = api.post("/v1/audiences", {"name": "Follows", "id": "follows", "prediction": untrained,
                                      "product": "P001", "max_size": 5})
    cursor = api.get("/v1/audiences/follows/members?limit=1").json()["next_cursor"]
    version = train(api, untrained)["version"]
    again = api.get("/v1/audiences/follows")
    assert again.json()["version"] == version and again.headers["ETag"] != made.headers["ETag"]
    api.get(f"/v1/audiences/follows/members?cursor={cursor}", expect=409)
    api.delete("/v1/audiences/follows")


def test_least_probability_needs_a_version_that_knows_any(api, trained):
    """F36: this shop is too small for calibration."""
    made = make(api, product="P002", min_probability=.1)
    assert made["size"] == 0 and "no probabilities" in made["short_because"]
    assert "percentile" not in made and made["min_probability"] == .1
