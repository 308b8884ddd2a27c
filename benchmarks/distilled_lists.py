"""A study of what a model of sequences learns from others: a student beside its teachers and their mean.

`python -m benchmarks.lists --only ml-100k-distilled` trains and records it, as the other studies over lists.
"""

from __future__ import annotations

from benchmarks.list_study import Study

_DATA = (
    *("data.train=movielens_100k/ratings.parquet", "data.split.train_on_validation=false"),
    *("data.columns={user: user_id, item: item_id, order: timestamp}", "metrics=[ndcg@10, hr@10]"),
)
_TRAINING = (
    *("model.dim=64", "model.max_length=100", "model.loss.skip_known=true"),
    *("train.epochs=20", "train.evaluate_every=5", "train.warmup_steps=50", "train.learning_rate=2e-3"),
)
_HSTU = ("ml-1m-local-hstu", *_DATA, *_TRAINING, "model.num_layers=2")
_GRU4REC = ("ml-1m-gru4rec", *_DATA, *_TRAINING, "model.hidden=128")
_MEAN = ("ml-1m-local-hstu", *_DATA, "model.kind=ensemble")

STUDIES = {
    "ml-100k-distilled": Study(
        "MovieLens-100K, what an HSTU learns from others: leave one out, three seeds, every seed of a teacher teaches",
        "hstu",
        ("test/hr@10/full", "test/ndcg@10/full"),
        {
            "hstu": _HSTU,
            "gru4rec": _GRU4REC,
            "mean of both": (*_MEAN, "model.runs=[RUNS/hstu, RUNS/gru4rec]"),
            "student of hstu": (*_HSTU, "distill={runs: [RUNS/hstu], weight: 0.7}"),
            "student of both": (*_HSTU, "distill={runs: [RUNS/hstu, RUNS/gru4rec], weight: 0.7}"),
        },
        pairs=(("student of both", "student of hstu"),),
        seeds=(0, 1, 2),
    )
}
