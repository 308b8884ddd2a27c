"""A study of models that read the history anew for each candidate: small ones, after few epochs.

`python -m benchmarks.lists --only ml-100k-candidates` trains and records them, as the other studies over lists.
"""

from __future__ import annotations

from benchmarks.list_study import Study

_BASE = (
    "ml-1m-ridge",
    *("data.train=movielens_100k/ratings.parquet", "data.split.train_on_validation=false", "metrics=[ndcg@10, hr@10]"),
    "data.columns={user: user_id, item: item_id, order: timestamp, action: rating}",
)
_TRAINING = (
    *("model.max_length=30", "model.positions=8", "train.epochs=10", "train.learning_rate=1e-2"),
    *("train.schedule=linear", "train.evaluate_every=5", "train.precision=bfloat16"),
)

STUDIES = {
    "ml-100k-candidates": Study(
        "MovieLens-100K, models that read the history for each candidate: small ones after ten epochs of eight "
        "movies of each list; leave one out, all movies ranked but the asker's last 200",
        "ridge",
        ("test/hr@10/full", "test/ndcg@10/full"),
        {
            "popularity": (*_BASE, "model.kind=popularity"),
            "ridge": _BASE,
            "sasrec": (
                *_BASE,
                *("model.kind=sasrec", "model.dim=32", "model.num_blocks=1", "model.max_length=30"),
                *("train.epochs=24", "train.learning_rate=3e-3", "train.schedule=linear", "train.evaluate_every=4"),
            ),
            "din": (*_BASE, "model.kind=din", *_TRAINING),
            "din, longer": (*_BASE, "model.kind=din", *_TRAINING, "model.positions=20"),
            "bst": (*_BASE, "model.kind=bst", *_TRAINING),
            "bst, longer": (*_BASE, "model.kind=bst", *_TRAINING, "model.positions=20", "train.epochs=20"),
            "dien": (*_BASE, "model.kind=dien", *_TRAINING),
            "hstu-ranker": (*_BASE, "model.kind=hstu-ranker", *_TRAINING),
        },
        pairs=tuple(
            (method, "popularity") for method in ("din", "din, longer", "bst", "bst, longer", "dien", "hstu-ranker")
        ),
    ),
}
