"""F47: keys are made, shown once, listed without their text, revoked; scopes open what they should."""
import datetime

import pytest

import lint_openapi
from client import CONTRACT, faults


def test_key_is_shown_once_and_works_at_once(api, service):
    answer = api.post("/v1/keys", {"name": "crm", "scopes": ["marketer", "storefront"]})
    key = answer.json()
    assert key["scopes"] == ["marketer", "storefront"] and key["expires_at"] is None
    assert answer.headers["Cache-Control"] == "no-store"
    api.with_key(key["key"]).get("/v1/sources")
    listed = api.get("/v1/keys?limit=100")
    assert key["id"] in [item["id"] for item in listed.json()["items"]]
    secret = key["key"].split("_", 2)[2]
    assert secret not in listed.text and secret not in service.log()


def test_revoked_key_opens_nothing(api):
    key = api.post("/v1/keys", {"name": "gone", "scopes": ["marketer"]}).json()
    api.delete(f"/v1/keys/{key['id']}", match=None)
    api.with_key(key["key"]).get("/v1/sources", expect=401)
    api.delete(f"/v1/keys/{key['id']}", match=None, expect=404)


def test_keys_are_listed_page_by_page(api):
    for name in ("one", "two"):
        api.post("/v1/keys", {"name": name, "scopes": ["events"]})
    one_by_one = [key["id"] for key in api.pages("/v1/keys", limit=1)]
    assert one_by_one == [key["id"] for key in api.pages("/v1/keys")]
    assert len(set(one_by_one)) == len(one_by_one) >= 3


@pytest.mark.parametrize("body, pointer, code", [
    ({"scopes": ["admin"]}, "/name", "required"),
    ({"name": "x"}, "/scopes", "required"),
    ({"name": "x", "scopes": []}, "/scopes", None),
    ({"name": "x", "scopes": ["root"]}, "/scopes/0", "unknown_value"),
    ({"name": "x", "scopes": "admin"}, "/scopes", "wrong_type"),
    ({"name": "x", "scopes": ["admin"], "expires_at": "2001-01-01"}, "/expires_at", "out_of_range"),
    ({"name": "x", "scopes": ["admin"], "expires_at": "soon"}, "/expires_at", None),
    ({"name": "x", "scopes": ["admin"], "key": "mine"}, "/key", "unknown_field"),
])
def test_bad_keys_are_refused(api, body, pointer, code):
    found = faults(api.post("/v1/keys", body, expect=422))
    assert pointer in found and code in (None, found[pointer])


def test_expiry_is_kept(api):
    key = api.post("/v1/keys", {"name": "x", "scopes": ["events"], "expires_at": "2999-01-01T00:00:00Z"})
    assert key.json()["expires_at"] == "2999-01-01T00:00:00Z"


def test_secret_answer_is_not_kept_for_a_repeat(api):
    answer = api.post("/v1/keys", {"name": "x", "scopes": ["events"]}, expect=422,
                      headers={"Idempotency-Key": "1"})
    assert faults(answer) == {"Idempotency-Key:": "unexpected"}


@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer sl_AAAAAAAAAAAA_" + "A" * 43,
    "Bearer sl_" + "x" * 3000, "bearer\tx"])
def test_bad_credentials_are_all_the_same_401(api, authorization):
    headers = {"Authorization": authorization} if authorization is not None else {}
    answer = api.with_key(None).get("/v1/sources", expect=401, headers=headers)
    assert answer.json()["code"] == "unauthenticated"


def test_wrong_secret_of_a_known_key_is_401(api):
    wrong = api.key[:-1] + ("A" if api.key[-1] != "A" else "B")
    api.with_key(wrong).get("/v1/sources", expect=401)


def every_operation():
    for path, method, _, operation in lint_openapi.operations(CONTRACT.document):
        if operation.get("security") != []:
            yield pytest.param(method, path, operation, id=operation["operationId"])


def filled(path, **values):
    for name in ("source", "model", "prediction", "version", "column", "job", "user", "audience",
                 "backtest", "key"):
        path = path.replace("{" + name + "}", values.get(name, "1"))
    return path


@pytest.mark.parametrize("method, path, operation", every_operation())
def test_every_operation_needs_a_key_of_its_scopes(api, keyed, method, path, operation):
    path = filled(path)
    api.with_key(None).send(method, path, expect=401)
    allowed = set(operation["x-scopes"]) | {"admin"}
    for scope in {"marketer", "storefront", "events"} - allowed:
        assert keyed(scope).send(method, path, expect=403).json()["code"] == "forbidden"
    for scope in allowed:
        assert keyed(scope).send(method, path).status_code not in (401, 403)
