"""HTTP against the service, every answer held against openapi/openapi.yaml.

`Api` sends by operationId or by plain path; whatever comes back must be a documented status of that
operation with a body, content type and headers that fit. What was seen is kept in COVERAGE."""
import collections
import json
import re
import urllib.parse

import jsonschema
import requests

import lint_openapi

# Statuses that one place answers for all operations: seen on any of them is enough.
GENERIC = {"400", "401", "403", "413", "414", "415", "429", "431", "500", "503", "504", "507"}
# Of these the ones that each operation documents, when it can answer them at all.
DOCUMENTED = {"401", "403", "500", "503", "504", "507"}

COVERAGE = collections.defaultdict(set)  # operationId -> statuses seen


FORMATS = jsonschema.FormatChecker()


def schema_validator(resolver, schema):
    """A validator of `schema`, whose references are into the resolver's document. A resolver looks
    through all of its document once: one is for all schemas."""
    return jsonschema.Draft202012Validator(schema, resolver=resolver, format_checker=FORMATS)


class Contract:
    """openapi.yaml as what to hold answers against."""

    def __init__(self):
        self.document = lint_openapi.load()
        self.resolver = jsonschema.RefResolver("", self.document)
        self.operations = []
        for path, method, item, operation in lint_openapi.operations(self.document):
            pattern = re.compile(re.sub(r"{\w+}", "[^/]+", path) + "$")
            self.operations.append((method, pattern, path, item, operation))

    def find(self, method, path):
        """The operation of a path as it is on the wire; None when there is none."""
        fitting = [o for o in self.operations if o[0] == method and o[1].match(path)]
        # A fixed segment goes before a parameter.
        return max(fitting, key=lambda o: -o[2].count("{"), default=None)

    def of(self, operation_id):
        return next(o for o in self.operations if o[4]["operationId"] == operation_id)

    def check(self, method, path, answer):
        """Fails when the answer is not one that the document promises."""
        assert re.fullmatch(r"[0-9A-Z]{26}", answer.headers.get("X-Request-Id", "")), \
            f"{method} {path}: no X-Request-Id"
        found = self.find(method, path)
        if not found:
            assert answer.status_code in (400, 404, 405, 414, 431), \
                f"{method} {path} is in no operation and answers {answer.status_code}"
            self.check_body(answer, "#/components/schemas/Problem", method, path)
            return
        operation = found[4]
        name, status = operation["operationId"], str(answer.status_code)
        where = f"{name} ({method} {path}) {status}"
        documented = operation["responses"].get(status)
        if documented is None and status in GENERIC - DOCUMENTED:
            self.check_body(answer, "#/components/schemas/Problem", method, path)
            COVERAGE[name].add(status)
            return
        assert documented is not None, f"{where} is not documented: {answer.text[:500]}"
        response = lint_openapi.resolve(self.document, documented)
        self.check_headers(response, answer, where)
        self.check_content(response, answer, where)
        COVERAGE[name].add(status)

    def check_headers(self, response, answer, where):
        for name, header in response.get("headers", {}).items():
            header = lint_openapi.resolve(self.document, header)
            value = answer.headers.get(name)
            assert value is not None or not header.get("required"), f"{where} has no {name}"
            if value is not None:
                schema_validator(self.resolver, header["schema"]).validate(value)

    def check_content(self, response, answer, where):
        content = response.get("content")
        if not content:
            assert answer.content == b"", f"{where} has a body: {answer.text[:200]}"
            return
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        assert kind in content, f"{where} is of type {kind!r}, not one of {list(content)}"
        if kind in ("application/json", "application/problem+json"):
            self.check_schema(content[kind]["schema"], answer, where)

    def check_body(self, answer, reference, method, path):
        where = f"{method} {path} {answer.status_code}"
        assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json", where
        self.check_schema({"$ref": reference}, answer, where)

    def check_schema(self, schema, answer, where):
        body = json.loads(answer.content)
        for error in schema_validator(self.resolver, schema).iter_errors(body):
            raise AssertionError(f"{where}: {error.json_path}: {error.message}\n{answer.text[:2000]}")
        if answer.status_code >= 400 and "code" in body:
            assert body["status"] == answer.status_code, where
            assert body["request_id"] == answer.headers["X-Request-Id"], where

    def unseen(self):
        """Operations and documented statuses that no test has met."""
        anywhere = set().union(*COVERAGE.values()) if COVERAGE else set()
        for _, _, _, _, operation in self.operations:
            name, seen = operation["operationId"], COVERAGE.get(operation["operationId"], set())
            if not seen:
                yield f"{name} was never called"
            for status in operation["responses"]:
                if status not in seen and not (status in GENERIC and status in anywhere):
                    yield f"{name} never answered {status}"


CONTRACT = Contract()


def part(text):
    """One segment of a path."""
    return urllib.parse.quote(str(text), safe="")


class Api:
    """The service as one key sees it."""

    def __init__(self, url, key=None):
        self.url = url
        self.key = key
        self.session = requests.Session()
        self.session.trust_env = False

    def with_key(self, key):
        return Api(self.url, key)

    def send(self, method, path, body=None, *, expect=None, headers=None, data=None, stream=False):
        """The answer, checked against the document; `expect` is the status wanted, if any."""
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            headers.setdefault("Content-Type", kind)
        answer = self.session.request(method, self.url + path, data=data, headers=headers,
                                      timeout=60, stream=stream)
        if not stream:
            CONTRACT.check(method, path.split("?")[0], answer)
        if expect is not None:
            assert answer.status_code == expect, \
                f"{method} {path}: {answer.status_code}, not {expect}: {answer.text[:1000]}"
        return answer

    def get(self, path, expect=200, **more):
        return self.send("GET", path, expect=expect, **more)

    def post(self, path, body=None, expect=201, **more):
        return self.send("POST", path, body, expect=expect, **more)

    def patch(self, path, body, expect=200, match="*", **more):
        headers = {"If-Match": match} if match else {}
        return self.send("PATCH", path, body, expect=expect, headers=headers, **more)

    def delete(self, path, expect=204, match="*", **more):
        headers = {"If-Match": match} if match else {}
        return self.send("DELETE", path, expect=expect, headers=headers, **more)

    def pages(self, path, limit=100):
        """All items of a list, page by page."""
        cursor, glue = None, "&" if "?" in path else "?"
        while True:
            more = f"&cursor={part(cursor)}" if cursor else ""
            page = self.get(f"{path}{glue}limit={limit}{more}").json()
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def events(self, path):
        """(event, data) of a stream of server-sent events until it closes."""
        answer = self.send("GET", path, stream=True, expect=200)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        COVERAGE["streamJobEvents"].add("200")
        event = None
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                yield event, json.loads(line[6:])


def faults(answer):
    """The faults of a 422 as {pointer: code}."""
    return {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}


def fault(answer, pointer):
    return next(f for f in answer.json()["errors"] if f["pointer"] == pointer)
