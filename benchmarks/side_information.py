"""Studies of what side information adds to small models of sequences: the same sizes, epochs and seeds without it.

`python -m benchmarks.lists --only ml-100k-side` trains and records them, as the other studies over lists.
"""

from __future__ import annotations

from benchmarks.list_study import Study


def _side(
    title: str, base: tuple[str, ...], metrics: tuple[str, ...], methods: dict[str, tuple[str, ...]], reference: str
) -> Study:
    told = {reference: base} | {name: (*base, *overrides) for name, overrides in methods.items()}
    return Study(title, reference, metrics, told, seeds=(0, 1))


STUDIES = {
    "amazon-beauty-side": _side(
        "Amazon Beauty, what labels of items add to a small SASRec: leave one out, two seeds on a busy machine",
        (
            "amazon-beauty-rules",
            *("data.split.train_on_validation=false", "metrics=[ndcg@10, hr@10]"),
            "data.items={file: amazon_beauty_s3rec/item_attributes.parquet, categories: [attributes]}",
            *("model.kind=sasrec", "model.dim=64", "model.max_length=50", "model.batch_size=64", "model.dropout=0.4"),
            "model.loss={negatives: 1024, popularity_power: 1.0, log_q: true, temperature: 0.07}",
            *("train.learning_rate=3e-3", "train.epochs=6", "train.schedule=linear", "train.warmup_steps=100"),
            *("train.evaluate_every=2", "train.precision=bfloat16"),
        ),
        ("test/hr@10/full", "test/ndcg@10/full"),
        {"labels where items are read and sought": ("model.side.items=both",)},
        "sasrec",
    ),
    "ml-100k-side": _side(
        "MovieLens-100K, what times and ratings add to a small HSTU: leave one out, two seeds on a busy machine",
        (
            "ml-1m-hstu",
            *("data.train=movielens_100k/ratings.parquet", "data.split.train_on_validation=false"),
            "data.columns={user: user_id, item: item_id, order: timestamp, action: rating, time: timestamp}",
            *("metrics=[ndcg@10, hr@10]", "model.dim=32", "model.max_length=50", "model.num_layers=2"),
            *("model.num_heads=1", "model.dropout=0.2", "model.normalize=true", "model.loss.temperature=0.05"),
            *("train.epochs=24", "train.learning_rate=3e-3", "train.evaluate_every=4", "train.warmup_steps=50"),
        ),
        ("test/hr@10/full", "test/ndcg@10/full"),
        {
            "gaps": ("model.side.gaps=true",),
            "time bias": ("model.time_bias=true",),
            "gaps and time bias": ("model.side.gaps=true", "model.time_bias=true"),
            "ratings": ("model.side.actions=true",),
        },
        "hstu",
    ),
}
