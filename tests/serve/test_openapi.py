"""The OpenAPI document types every field, and whatever is generated from it never breaks the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES_PER_CALL = 20
#: Maps that are the shop's own: any JSON may stand in them.
FREE_MAPS = ("context", "attributes", "metrics")
TAKES_NOTHING = ("GET /v1/models", "GET /healthz", "GET /readyz", "GET /metrics")


@pytest.fixture
def app(shop: TestClient) -> FastAPI:
    app = shop.app
    assert isinstance(app, FastAPI)
    return app


def _untyped(schema: Any, where: str) -> Iterator[str]:
    """Every place in a schema that says nothing about its values."""
    if not isinstance(schema, dict) or not schema.keys() & {"type", "$ref", "anyOf", "allOf", "enum", "const"}:
        yield where
        return
    for name, inner in schema.get("properties", {}).items():
        yield from _untyped(inner, f"{where}.{name}")
    for number, inner in enumerate(schema.get("anyOf", [])):
        yield from _untyped(inner, f"{where}|{number}")
    if schema.get("type") == "array":
        yield from _untyped(schema.get("items"), f"{where}[]")
    if schema.get("type") == "object" and "properties" not in schema:
        values = schema.get("additionalProperties")
        if values is not True or not where.split("|", maxsplit=1)[0].endswith(FREE_MAPS):
            yield from _untyped(values, f"{where}{{}}")


def test_every_field_is_typed_and_bodies_refuse_unknown_ones(app: FastAPI) -> None:
    document = app.openapi()
    untyped = [place for name, schema in document["components"]["schemas"].items() for place in _untyped(schema, name)]
    bodies = set()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            where = f"{method} {path}"
            for parameter in call.get("parameters", []):
                untyped += _untyped(parameter["schema"], f"{where} {parameter['name']}")
            success = call["responses"]["202" if path == "/v1/events" else "200"]
            if path != "/metrics":
                untyped += _untyped(success["content"]["application/json"]["schema"], f"{where} answer")
            if body := call.get("requestBody"):
                bodies.add(body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2])
    assert untyped == []
    assert bodies == {"EventsBody", "ItemsBody", "ItemFields", "UserFields", "RecommendationBody"}
    for name in (*bodies, "Event", "Item", "FilterBody", "PriceBody"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


def test_the_document_lists_every_call(app: FastAPI) -> None:
    calls = {f"{method.upper()} {path}" for path, calls in app.openapi()["paths"].items() for method in calls}
    assert calls >= {
        "POST /v1/events",
        "PUT /v1/items/{item_id}",
        "GET /v1/items/{item_id}",
        "DELETE /v1/items/{item_id}",
        "POST /v1/items",
        "PUT /v1/users/{user_id}",
        "GET /v1/users/{user_id}",
        "DELETE /v1/users/{user_id}",
        "GET /v1/users/{user_id}/events",
        "POST /v1/recommendations",
        "GET /v1/models",
        "POST /v1/models/{version}:activate",
        "GET /v1/report",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


#: Without keys the server answers to this machine's own names only.
HERE = {"host": "127.0.0.1"}


def _statuses(app: FastAPI, mode: GenerationMode) -> dict[str, Counter[int]]:
    """Make many calls of each kind from the document, check each answer, and count the statuses."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HERE)
    operations = [found.ok() for found in schema.get_all_operations()]
    return {operation.label: _call(operation, mode) for operation in operations}


def _call(operation: Any, mode: GenerationMode) -> Counter[int]:
    counted: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES_PER_CALL,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def call(case: Case) -> None:
        response = case.call(headers=HERE)
        counted[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    if mode is GenerationMode.NEGATIVE and operation.label in TAKES_NOTHING:
        return counted  # cannot be called wrongly
    call()
    return counted


def test_calls_made_from_the_document_mostly_reach_the_handler(app: FastAPI) -> None:
    statuses = _statuses(app, GenerationMode.POSITIVE)
    assert all(sum(counted.values()) > 0 for counted in statuses.values())
    with_body = [label for label in statuses if label.startswith(("POST", "PUT")) and "activate" not in label]
    assert len(with_body) == 5
    for label in with_body:
        reached = 1 - statuses[label][422] / sum(statuses[label].values())
        assert reached > 0.5, (label, statuses[label])


def test_calls_made_wrongly_are_refused_without_a_server_error(app: FastAPI) -> None:
    statuses = _statuses(app, GenerationMode.NEGATIVE)
    refused = sum(counted[422] for counted in statuses.values())
    assert refused > 100
