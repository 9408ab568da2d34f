"""F49: what holds for every operation: unknown parameters, unknown ids, cursors, revisions, repeats."""
import uuid

import pytest

import lint_openapi
import shop
from client import CONTRACT, faults, part
from test_keys import filled

ALL = [pytest.param(method, path, operation, id=operation["operationId"])
       for path, method, _, operation in lint_openapi.operations(CONTRACT.document)]
NOBODY = str(uuid.UUID(int=0))
BODIES = {  # valid ones, for operations that want one
    "createModel": {**shop.MODELS[1], "id": "convention"},
    "createPrediction": {"name": "Convention", "id": "convention"},
    "createAudience": {"name": "Convention", "id": "convention", "prediction": "nowhere", "product": "x"},
    "createKey": {"name": "Convention", "scopes": ["events"]},
    "updateModel": {}, "updatePrediction": {}, "updateAudience": {},
}


@pytest.mark.parametrize("method, path, operation", ALL)
def test_unknown_query_parameter_is_refused(api, method, path, operation):
    answer = api.send(method, filled(path) + "?limitt=1", expect=422,
                      body=BODIES.get(operation["operationId"]))
    assert faults(answer) == {"?limitt": "unknown_field"}


@pytest.mark.parametrize("method, path, operation",
                         [p for p in ALL if "404" in p.values[2]["responses"]])
def test_unknown_id_is_not_found(api, method, path, operation):
    missing = {name: "nowhere" for name in
               ("source", "model", "prediction", "column", "user", "audience", "key")}
    path = filled(path, version="7", job=NOBODY, backtest=NOBODY, **missing)
    answer = api.send(method, path, BODIES.get(operation["operationId"]), expect=404,
                      headers={"If-Match": "*"})
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/v1/jobs/nowhere", f"/v1/jobs/{part('../../etc')}",
                                  "/v1/predictions/next/versions/0",
                                  "/v1/predictions/next/versions/x",
                                  "/v1/predictions/next/versions/99999999999999999999",
                                  f"/v1/models/{part('a/b')}", f"/v1/models/{part('😀' * 300)}",
                                  f"/v1/models/{part(chr(10))}"])
def test_ids_that_cannot_be_are_not_found(api, trained, path):
    api.get(path, expect=404)


LISTS = ["/v1/sources", "/v1/sources/shop/tables", "/v1/models", "/v1/predictions",
         "/v1/predictions/next/versions", "/v1/predictions/next/columns/colour/values", "/v1/jobs",
         "/v1/audiences", "/v1/keys"]


@pytest.mark.parametrize("path", LISTS)
def test_lists_refuse_bad_limits_and_cursors(api, trained, path):
    foreign = api.get("/v1/models?limit=1").json()["next_cursor"]
    for query, pointer in [("limit=0", "?limit"), ("limit=101", "?limit"), ("limit=x", "?limit"),
                           ("limit=1.5", "?limit"), ("limit=", "?limit"), ("cursor=", "?cursor"),
                           ("cursor=%00", None), ("cursor=abc", "?cursor"),
                           ("cursor=" + "A" * 3000, "?cursor")]:
        answer = api.send("GET", f"{path}?{query}")
        assert answer.status_code in ((422,) if pointer else (400, 422)), (query, answer.text)
        if pointer:
            assert pointer in faults(answer)
    if path != "/v1/models":
        assert "?cursor" in faults(api.get(f"{path}?cursor={foreign}", expect=422))


@pytest.fixture(params=["models", "predictions", "audiences"])
def resource(request, api, models, trained):
    """(path, answer of its creation, a change) of one of each kind."""
    kind = request.param
    body, change = {
        "models": ({**shop.MODELS[1], "id": "revised"}, {"description": "changed"}),
        "predictions": ({"name": "Revised", "id": "revised"}, {"n": 7}),
        "audiences": ({"name": "Revised", "id": "revised", "prediction": trained, "product": "P001"},
                      {"max_size": 3, "percentile": None}),
    }[kind]
    made = api.post(f"/v1/{kind}", body)
    path = f"/v1/{kind}/revised"
    yield path, made, change
    api.send("DELETE", path, headers={"If-Match": "*"})


def test_get_gives_304_for_the_tag_it_gave(api, resource):
    path, made, _ = resource
    tag = api.get(path).headers["ETag"]
    assert tag == made.headers["ETag"]
    for header in (tag, f'"0", {tag}', "*", f"W/{tag}"):
        api.get(path, expect=304, headers={"If-None-Match": header})
    api.get(path, headers={"If-None-Match": '"nothing"'})


def test_changes_need_the_right_revision(api, resource):
    path, made, change = resource
    tag = made.headers["ETag"]
    api.patch(path, change, match=None, expect=428)
    api.delete(path, match=None, expect=428)
    for stale in ('"999"', "1", "W/" + tag, '""', '"1x"', "garbage"):
        api.patch(path, change, match=stale, expect=412)
        api.delete(path, match=stale, expect=412)
    assert api.get(path).json()["revision"] == 1
    changed = api.patch(path, change, match=f'"999", {tag}')
    assert changed.json()["revision"] == 2
    api.patch(path, change, match=tag, expect=412)
    api.delete(path, match=changed.headers["ETag"])
    api.get(path, expect=404)


def test_bad_bodies_are_refused_before_anything_happens(api, resource):
    path, _, change = resource
    for data, kind, status in [(b"{", "application/json", 400), (b"[]", "application/json", None),
                               (b"{}", "text/plain", 415), (b"", "application/json", 400),
                               (b'{"a":1,"a":2}', "application/json", 400),
                               (b"\xff", "application/json", 400),
                               (b"{}" + b" " * (1 << 20), "application/json", 413)]:
        answer = api.send("PATCH", path, data=data,
                          headers={"Content-Type": kind, "If-Match": "*"})
        assert answer.status_code in ((status,) if status else (400, 422)), (data[:20], answer.text)
    assert api.get(path).json()["revision"] == 1


def test_repeated_post_creates_once(api):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": "Once", "id": "once"}
    first = api.post("/v1/predictions", body, headers=key)
    again = api.post("/v1/predictions", body, headers=key)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert (again.headers["ETag"], again.headers["Location"]) == (
        first.headers["ETag"], first.headers["Location"])
    other = api.post("/v1/predictions", {**body, "n": 3}, headers=key, expect=422)
    assert faults(other) == {"Idempotency-Key:": "idempotency_key_reused"}
    api.delete("/v1/predictions/once")


def test_refused_post_may_be_tried_again_under_its_key(api):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    api.post("/v1/predictions", {"name": "Late", "id": "late", "n": 0}, headers=key, expect=422)
    api.post("/v1/predictions", {"name": "Late", "id": "late", "n": 1}, headers=key)
    api.delete("/v1/predictions/late")


def test_keys_of_repeats_belong_to_one_caller(api, keyed):
    key = {"Idempotency-Key": "shared"}
    api.post("/v1/predictions", {"name": "Mine", "id": "mine"}, headers=key)
    keyed("marketer").post("/v1/predictions", {"name": "Mine", "id": "mine"}, headers=key, expect=409)
    api.delete("/v1/predictions/mine")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
def test_bad_idempotency_keys_are_refused(api, key):
    answer = api.send("POST", "/v1/predictions", {"name": "Bad key"},
                      headers={"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code in (400, 422)


def test_changes_leave_a_line_in_the_audit_log(api, service, cluster):
    made = api.post("/v1/predictions", {"name": "Audited", "id": "audited"})
    api.delete("/v1/predictions/audited")
    rows = cluster.sql(f"SELECT to_jsonb(a)::text FROM state_{service.name}.audit a",
                       connection=cluster.database("shortlist"))
    text = [row[0] for row in rows if "/v1/predictions/audited" in row[0]]
    assert any("createPrediction" in line and made.headers["X-Request-Id"] in line for line in text)
    assert any("deletePrediction" in line for line in text)
