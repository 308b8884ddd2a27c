"""A shop whose sources are models of lists: trained, ranked by their scores, and answered without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from starlette.testclient import TestClient

from aisle import recipe as recipes
from aisle.bundle import Bundle
from aisle.pipeline import Pipeline
from aisle.serve import create_app
from tests.shops import NO_HASTE
from tests.train.conftest import SMALL, TrainingShop

RECIPE = SMALL.replace(
    "placements:",
    """  linear: {kind: list_model, min_events: 1, model: {kind: ease, l2: 1.0}}
  network: {kind: list_model, min_events: 1, epochs: 3, model: {kind: mult-vae, hidden: [8], latent: 4}}
  reader: {kind: sequence, min_events: 1, epochs: 2, model: {kind: bst, dim: 8, max_length: 8, hidden: [8]}}
  doer: {kind: sequence, min_events: 1, epochs: 2, model: {kind: hstu-ranker, dim: 8, max_length: 8}}
placements:""",
).replace("sources: [popular_10d, own_30d,", "sources: [linear, network, reader, doer, popular_10d, own_30d,")
RANKER = "ranker: {examples: {snapshots: 1}, model: {kind: logistic, num_buckets: 4}}"

ANSWER = """
import json, sys
from aisle.bundle import Bundle
from aisle.pipeline import Pipeline, Query
import numpy as np
pipeline = Pipeline.load(Bundle.open(sys.argv[1]))
row = pipeline.item_ids.index(sys.argv[2])
query = Query.of_items(np.array([row]), now_ms=pipeline.fitted_until_ms, num_rows=len(pipeline.item_ids))
eligible_V = np.arange(query.num_rows) >= 2
found = {name: pipeline.generators[name].candidates(query, 5, eligible_V).rows_k.tolist() for name in sys.argv[3:]}
heavy = {"torch", "onnx", "onnxscript", "numba", "safetensors"} & set(sys.modules)
print(json.dumps([found, sorted(heavy)]))
"""


def test_models_of_lists_feed_the_ranker_and_are_served_without_torch(shop: TrainingShop, tmp_path: Path) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(f"{RECIPE}\n{RANKER}\n")
    result = shop.train(recipes.load(path))
    pipeline = Pipeline.load(Bundle.open(result.run.bundle))
    assert pipeline.rank_stage is not None
    read = pipeline.rank_stage.inputs.dense_names
    assert {f"{told}_{name}" for told in ("score", "rank") for name in ("linear", "network", "reader", "doer")} <= set(
        read
    )
    command = [sys.executable, "-c", ANSWER, str(result.run.bundle), "shelf-3", "linear", "network", "reader", "doer"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found, heavy = json.loads(done.stdout)
    assert heavy == []
    assert len(found["network"]) == len(found["reader"]) == len(found["doer"]) == 5
    assert 0 < len(found["linear"]) <= 5


USERS = SMALL.replace(
    "placements:",
    """  who: {kind: list_model, min_events: 1, epochs: 20, model: {kind: gmf, dimension: 8, batch_size: 64}}
  graph: {kind: list_model, min_events: 1, epochs: 20, model: {kind: lightgcn, dimension: 8, batch_size: 64}}
placements:""",
).replace("sources: [popular_10d, own_30d,", "sources: [who, graph, popular_10d, own_30d,")


def test_who_asks_is_answered_over_http_and_feeds_the_ranker(shop: TrainingShop, tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(f"{USERS}\n{RANKER}\n")
    result = shop.train(recipes.load(path), activate="always")
    pipeline = Pipeline.load(Bundle.open(result.run.bundle))
    assert pipeline.rank_stage is not None
    assert {"score_who", "rank_who", "score_graph", "rank_graph"} <= set(pipeline.rank_stage.inputs.dense_names)
    (shop.workspace.directory / "aisle.yaml").write_text(NO_HASTE)
    with TestClient(create_app(shop.workspace.directory), base_url="http://127.0.0.1") as client:

        def sources(user_id: str) -> set[str]:
            request = {"placement": "for-you", "user_id": user_id, "limit": 20, "explain": True}
            answer = client.post("/v1/recommendations", json=request).json()
            assert answer["degraded"] == []
            return {name for item in answer["items"] for name in item["sources"]}

        def comes(user_id: str) -> None:
            event = {"type": "purchase", "user_id": user_id, "item_id": "shelf-3"}
            assert client.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1

        comes("stranger")
        assert sources("u3") >= {"who", "graph"}
        assert sources("stranger") & {"who", "graph"} == {"graph"}, "by the history"
        assert sources("never seen") & {"who", "graph"} == set()
        client.delete("/v1/users/u3")
        assert sources("u3") & {"who", "graph"} == set()
        comes("u3")
        assert sources("u3") & {"who", "graph"} == {"graph"}, "as a stranger"
