#!/usr/bin/python3
"""Holds openapi/openapi.yaml against the rules we keep, and against the route table, both ways.

Run alone it prints every fault; test_openapi.py runs the same functions under pytest."""
import pathlib
import re
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("get", "post", "put", "patch", "delete")
SCOPES = {"ADMIN": set(), "MARKET": {"marketer"}, "SERVE": {"marketer", "storefront"}, "0": None}


def load():
    return yaml.safe_load((ROOT / "openapi" / "openapi.yaml").read_text())


def resolve(document, node):
    """What a $ref points at (its siblings laid over it), or the node itself."""
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method.upper(), item, item[method]


def parameters(document, item, operation):
    return [resolve(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]


def walk(node, where=""):
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{where}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, f"{where}/{i}")


def faults_of_references(document):
    for where, node in walk(document):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                resolve(document, node)
            except (KeyError, TypeError):
                yield f"{where}: {node['$ref']} points nowhere"
    used = {node["$ref"] for _, node in walk(document)
            if isinstance(node, dict) and isinstance(node.get("$ref"), str)}
    for kind, entries in document["components"].items():
        if kind == "securitySchemes":
            continue
        for name in entries:
            if f"#/components/{kind}/{name}" not in used:
                yield f"components/{kind}/{name} is used nowhere"


def faults_of_schemas(document):
    for name, schema in document["components"]["schemas"].items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            yield f"schema {name}: {error.message}"
        for where, node in walk(schema, name):
            if isinstance(node, dict) and "properties" in node and isinstance(node["properties"], dict) \
                    and "type" in node and node.get("additionalProperties", True) is True:
                yield f"schema {where} lets other members in"


def faults_of_operations(document):
    seen = set()
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, item, operation in operations(document):
        name = operation.get("operationId", f"{method} {path}")
        if "operationId" not in operation or name in seen:
            yield f"{name}: its operationId is missing or not unique"
        seen.add(name)
        if not operation.get("summary"):
            yield f"{name} has no summary"
        if not operation.get("tags") or not set(operation["tags"]) <= tags:
            yield f"{name}: its tags are missing or unknown"
        declared = {p["name"] for p in parameters(document, item, operation) if p["in"] == "path"}
        if declared != set(re.findall(r"{(\w+)}", path)):
            yield f"{name}: path parameters {sorted(declared)} are not those of {path}"
        public = operation.get("security") == []
        for status in ("401", "403"):
            if (status in operation["responses"]) == public:
                yield f"{name}: {status} does not fit its security"
        if public == ("x-scopes" in operation):
            yield f"{name}: x-scopes does not fit its security"
        yield from faults_of_responses(document, name, operation)


def faults_of_responses(document, name, operation):
    if not any(status.startswith("2") for status in operation["responses"]):
        yield f"{name} documents no success"
    for status, response in operation["responses"].items():
        response = resolve(document, response)
        if not response.get("description"):
            yield f"{name} {status} has no description"
        kinds = list(response.get("content", {}))
        if status[0] in "45" and kinds != ["application/problem+json"] \
                and name != "getReadiness":
            yield f"{name} {status} is not a problem"


def faults_of_examples(document):
    import jsonschema
    from client import schema_validator
    resolver = jsonschema.RefResolver("", document)
    for where, node in walk(document):
        if not isinstance(node, dict) or "schema" not in node or not isinstance(node["schema"], dict):
            continue
        examples = [node["example"]] if "example" in node else []
        examples += [e["value"] for e in node.get("examples", {}).values()]
        for example in examples:
            for error in schema_validator(resolver, node["schema"]).iter_errors(example):
                yield f"{where}: example {error.json_path}: {error.message}"


def routes():
    """Rows of the table in src/api/routes.c: method, path, scopes, operation, query names."""
    text = (ROOT / "src" / "api" / "routes.c").read_text()
    names = dict(re.findall(r'#define (\w+)\s+"([^"]*)"', text))
    for row in re.findall(r"^\s*{(\"(?:GET|POST|PUT|PATCH|DELETE)\".*)},$", text, re.M):
        cells = [cell.strip() for cell in row.split(",")]
        method, path, scopes, flags, _, operation, query = cells
        path = "".join(names.get(p) or p.strip('"') for p in path.split())
        yield (method.strip('"'), path, scopes, flags, operation.strip('"'),
               set() if query == "NULL" else set(query.strip('"').split()))


def faults_of_routes(document):
    table = {(method, path): rest for method, path, *rest in routes()}
    written = {(method, path): (item, op) for path, method, item, op in operations(document)}
    for key in sorted(table.keys() - written.keys()):
        yield f"{' '.join(key)} is a route and not in openapi.yaml"
    for key in sorted(written.keys() - table.keys()):
        yield f"{' '.join(key)} is in openapi.yaml and no route"
    for key in sorted(table.keys() & written.keys()):
        scopes, flags, operation, query = table[key]
        item, op = written[key]
        given = parameters(document, item, op)
        if operation != op["operationId"]:
            yield f"{' '.join(key)}: {operation} here, {op['operationId']} in openapi.yaml"
        if query != {p["name"] for p in given if p["in"] == "query"}:
            yield f"{operation}: query parameters differ"
        wanted = SCOPES[scopes]
        if wanted is not None and set(op.get("x-scopes", [])) != (wanted or {"admin"}):
            yield f"{operation}: scopes differ"
        if ("CREATES" in flags) != any(p["name"] == "Idempotency-Key" for p in given):
            yield f"{operation}: Idempotency-Key differs"


CHECKS = (faults_of_references, faults_of_schemas, faults_of_operations, faults_of_examples,
          faults_of_routes)


def main():
    document = load()
    faults = [fault for check in CHECKS for fault in check(document)]
    print("\n".join(faults) or f"openapi: {sum(1 for _ in operations(document))} operations, good")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    sys.exit(main())
