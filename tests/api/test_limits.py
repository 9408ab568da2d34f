"""F47: bad bytes, big things, too much, and nothing of it hurts the service."""
import json
import re
import socket

import pytest

from client import faults

NEXT = "/v1/predictions/next"


def is_whole(answer):
    """Whether it holds the headers and the body of one answer."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(blank) and len(body) >= (int(length[1]) if length else 0)


def talk(service, request, enough=is_whole):
    """Raw bytes to the service; the raw answer until there is enough of it or the service closes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while not enough(answer) and (chunk := connection.recv(65536)):
            answer += chunk
    return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def test_plain_request_is_understood_as_bytes(service):
    assert status_of(talk(service, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


@pytest.mark.parametrize("request_bytes", [
    b"GET /livez HTTP/1.1\r\n\r\n",                                                  # no Host
    b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                            # two
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{}",          # blank before :
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET /livez%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_malformed_http_is_refused_and_closed(service, request_bytes):
    answer = talk(service, request_bytes)
    assert status_of(answer) in (400, 404, 411, 501, None), answer[:300]
    assert b"HTTP/1.1 200" not in answer
    assert status_of(talk(service, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


def test_smuggled_second_request_is_not_answered(service):
    answer = talk(service, b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                           b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", enough=lambda answer: False)
    assert answer.count(b"HTTP/1.1 ") <= 1 and b'"ok"' not in answer


@pytest.mark.parametrize("path, status", [
    ("/", 404), ("/v1", 404), ("/v2/models", 404), ("/v1/models/", 404), ("/v1//models", 404),
    ("/V1/models", 404), ("/v1/models/a/b/c", 404), ("/livez/", 404), ("/v1/predictions/x/users//recommendations", 404),
])
def test_paths_that_are_none_are_not_found(api, path, status):
    api.send("GET", path, expect=status)


def test_unknown_method_says_which_there_are(api):
    answer = api.send("PUT", "/v1/models", {}, expect=405)
    assert {"GET", "POST"} <= {method.strip() for method in answer.headers["Allow"].split(",")}
    api.send("POST", "/livez", expect=405)


BAD_JSON = [b"", b"{", b"{}{}", b"nul", b"[1,]", b'{"a":1,"a":2}', b'{"a":01}', b'{"a":1.}',
            b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'{"a":"\\u0000"}', b"[" * 40 + b"]" * 40,
            b'{"a":"\n"}', b"{'a':1}", b'{"a":+1}', b'{"a":NaN}', b'{"a":"\\ud800"}',
            b"[" + b"1," * 200000 + b"1]"]


@pytest.mark.parametrize("data", BAD_JSON, ids=lambda data: repr(data[:16]))
def test_malformed_json_is_refused_with_its_place(api, data):
    answer = api.send("POST", "/v1/models", data=data, expect=400)
    assert answer.json()["code"] == "malformed"


@pytest.mark.parametrize("data", [b"[]", b"1", b'"x"', b"null", b"true"])
def test_body_that_is_no_object_is_refused(api, data):
    assert api.send("POST", "/v1/models", data=data).status_code in (400, 422)


def test_body_above_the_limit_is_413(api):
    answer = api.send("POST", "/v1/models", data=b'{"a":"' + b"x" * (1 << 20) + b'"}', expect=413)
    assert answer.json()["code"] == "too_large"


def test_body_of_another_type_is_415(api):
    answer = api.send("POST", "/v1/models", data=b"{}", headers={"Content-Type": "text/plain"},
                      expect=415)
    assert answer.json()["code"] == "unsupported_media"


def test_path_above_the_limit_is_414(api):
    api.send("GET", f"{NEXT}/users/{'x' * 5000}/recommendations", expect=414)


def test_headers_above_the_limit_are_431(api):
    api.send("GET", "/v1/models", headers={"X-Long": "x" * 7000}, expect=431)


@pytest.mark.parametrize("value", ["x" * 200, "'; DROP TABLE document; --", '"', "\\", "😀",
                                   "../../etc/passwd", "\u202e"])
def test_odd_texts_come_back_as_they_were(api, value):
    made = api.post("/v1/predictions", {"name": value, "id": "odd", "description": value}).json()
    assert (made["name"], made["description"]) == (value, value)
    api.delete("/v1/predictions/odd")


def test_control_characters_are_refused_where_people_read(api):
    answer = api.post("/v1/predictions", {"name": "a\nb", "description": "\t"}, expect=422)
    assert set(faults(answer)) == {"/name", "/description"}


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e308", "99999999999999999999999", "0.1e1", "-0"])
def test_absurd_numbers_are_refused_by_name(api, number):
    data = f'{{"name":"x","id":"absurd","n":{number}}}'.encode()
    answer = api.send("POST", "/v1/predictions", data=data)
    if answer.status_code == 201:  # 0.1e1 is the integer 1
        assert number == "0.1e1"
        api.delete("/v1/predictions/absurd")
    else:
        assert answer.status_code in (400, 422)


def test_rate_of_a_key_is_limited(services):
    api = services("rated", SHORTLIST_SERVER_RATE_PER_SECOND="3").api
    answers = [api.send("GET", "/v1/sources") for _ in range(50)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited and answers[0].status_code == 200
    assert limited[0].json()["code"] == "rate_limited" and limited[0].headers["Retry-After"]


def test_slow_requests_are_cut_off(services):
    service = services("slow", SHORTLIST_SERVER_REQUEST_TIMEOUT_MS="300")
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")  # and then nothing
        answer = connection.recv(65536)
    assert answer == b"" or status_of(answer) in (400, 408)


def test_secrets_stay_out_of_the_log(service, api):
    api.get("/v1/models?limit=1")
    assert api.key not in service.log() and "host=127.0.0.1 port=" not in service.log()


def test_log_is_one_json_object_per_line(service, api):
    lines = service.log().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
