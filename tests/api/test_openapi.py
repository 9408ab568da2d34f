"""F49: the document is sound, is what the route table says, and is what the service serves."""
import pytest

import lint_openapi


@pytest.mark.parametrize("check", lint_openapi.CHECKS, ids=lambda check: check.__name__)
def test_document_has_no_faults(check):
    assert list(check(lint_openapi.load())) == []


def test_service_serves_the_document(api):
    assert api.with_key(None).get("/openapi.json").json() == lint_openapi.load()


def test_metrics_know_every_operation(api):
    text = api.with_key(None).get("/metrics").text
    for _, _, _, operation in lint_openapi.operations(lint_openapi.load()):
        assert f'operation="{operation["operationId"]}"' in text
