"""The limit of bodies, the worker's name, and paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from aisle.serve.path_ids import decode_path_id, decode_segment


@pytest.fixture
def limited(start: Callable[..., TestClient]) -> TestClient:
    return start("server: {max_body_bytes: 1000}")


def test_a_body_that_is_declared_too_long_is_413(limited: TestClient) -> None:
    response = limited.post("/v1/events", content=b"x" * 1001, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "at most 1000 bytes" in response.json()["detail"]


def test_a_body_in_pieces_is_413_once_it_is_too_long(limited: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    response = limited.post("/v1/events", content=pieces(), headers={"content-type": "application/json"})
    assert response.status_code == 413


def test_a_body_at_the_limit_passes(limited: TestClient) -> None:
    content = b'{"events": []}'.ljust(1000)
    response = limited.post("/v1/events", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 202


def test_the_answer_names_its_worker(client: TestClient) -> None:
    assert client.get("/healthz").headers["x-aisle-worker"] == str(os.getpid())
    assert client.get("/no/such/path").headers["x-aisle-worker"] == str(os.getpid())


@pytest.mark.parametrize(
    ("segment", "path_part"),
    [
        ("plain", "plain"),
        ("a%2Fb", "a%2Fb"),
        ("a%252Fb", "a%252Fb"),
        ("%C3%BC", "ü"),
        ("x%3Aactivate", "x:activate"),
        ("a%0Ab", "a%0Ab"),
    ],
)
def test_a_segment_keeps_what_is_ambiguous_encoded(segment: str, path_part: str) -> None:
    assert decode_segment(segment) == path_part


@pytest.mark.parametrize("item_id", ["a/b", "a%2Fb", "100%", "ü", "%25"])
def test_an_id_survives_both_decodings(item_id: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in item_id.encode())
    assert decode_path_id(decode_segment(encoded)) == item_id
