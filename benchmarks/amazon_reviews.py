"""Studies of the next item in three sets of Amazon reviews, as S3-Rec's authors have cut them.

`python -m benchmarks.lists --only amazon-beauty` trains and records one, as the other studies over lists.
"""

from __future__ import annotations

from benchmarks.list_study import Study


def _amazon(name: str, title: str, *, sasrec: tuple[float, float], s3_rec: tuple[float, float]) -> Study:
    """One of the three sets of S3-Rec, by the recipes of Beauty; what its authors report of SASRec and of theirs."""
    of_beauty, attributes = name == "beauty", f"amazon_{name}_s3rec/item_attributes.parquet"
    lists = () if of_beauty else (f"data.train=amazon_{name}_s3rec/sequences.parquet",)
    texts = () if of_beauty else (f"data.items.file={attributes}",)
    return Study(
        title,
        "rules",
        ("test/hr@10/full", "test/ndcg@10/full"),
        {
            "popularity": ("amazon-beauty-rules", *lists, "model.kind=popularity"),
            "content": (
                "amazon-beauty-rules",
                *(*lists, f"data.items={{file: {attributes}, text: [attributes]}}"),
                *("model.kind=content", "model.history.decay=1.0"),
            ),
            "youtube-dnn": (
                "amazon-beauty-rules",
                *(*lists, "model.kind=youtube-dnn", "model.dim=64", "model.hidden=[128]", "model.max_length=50"),
                *("train.learning_rate=3e-3", "train.epochs=12", "train.precision=bfloat16"),
            ),
            "sasrec": ("amazon-beauty-sasrec", *lists),
            "rules": ("amazon-beauty-rules", *lists),
            "blend": ("amazon-beauty-blend", *lists),
            "blend with content": ("amazon-beauty-content-blend", *lists, *texts),
        },
        {"SASRec (S3-Rec authors)": sasrec, "S3-Rec (its authors)": s3_rec},
        same={"SASRec (S3-Rec authors)": "sasrec"},
    )


STUDIES = {
    "amazon-beauty": _amazon(
        "beauty",
        "Amazon Beauty, the next item: leave one out in the file of S3-Rec, whose order is partly that of item numbers",
        sasrec=(0.0605, 0.0318),
        s3_rec=(0.0647, 0.0327),
    ),
    "amazon-sports": _amazon("sports", "Amazon Sports, as Beauty", sasrec=(0.0350, 0.0192), s3_rec=(0.0385, 0.0204)),
    "amazon-toys": _amazon("toys", "Amazon Toys, as Beauty", sasrec=(0.0675, 0.0374), s3_rec=(0.0700, 0.0376)),
}
