"""The protocols that recommenders over lists are measured under, and the methods that are trained under each.

`python -m benchmarks.lists` trains and records them.
"""

from __future__ import annotations

from benchmarks import amazon_reviews, candidate_models, distilled_lists, side_information
from benchmarks.list_study import Study

_HSTU_README = "HSTU README"
_COSINES = (
    *("model.dropout=0.2", "model.normalize=true", "model.loss.temperature=0.05"),
    *("train.learning_rate=1.5e-3", "train.epochs=45"),
)
STUDIES = {
    "ml-1m": Study(
        "MovieLens-1M, the next movie: leave one out, all ranked but the asker's last 200 (the HSTU authors' protocol)",
        "ridge",
        ("test/hr@10/full", "test/ndcg@10/full", "test/hr@50/full", "test/hr@200/full"),
        {
            "popularity": ("ml-1m-ridge", "model.kind=popularity"),
            "markov": ("ml-1m-ridge", "model.kind=markov"),
            "content": (
                "ml-1m-ridge",
                "data.items={file: movielens_1m/movies.parquet, id: movie_id, text: [title, genres]}",
                *("model.kind=content", "model.neighbours=500", "model.history.decay=0.3"),
            ),
            "rules": ("ml-1m-rules",),
            "ridge": ("ml-1m-ridge",),
            "youtube-dnn": ("ml-1m-youtube-dnn",),
            "sasrec, 50 wide": (
                "ml-1m-sasrec",
                *("model.dim=50", "model.num_heads=1", "model.hidden=50", *_COSINES),
            ),
            "sasrec": ("ml-1m-sasrec",),
            "hstu, 50 wide, 2 layers": (
                "ml-1m-hstu",
                *("model.dim=50", "model.num_layers=2", "model.num_heads=1", *_COSINES),
            ),
            "hstu, 2 layers": ("ml-1m-hstu", "model.num_layers=2"),
            "hstu": ("ml-1m-hstu",),
            "local hstu": ("ml-1m-local-hstu",),
            "local hstu, 8 layers": ("ml-1m-local-hstu", "model.num_layers=8"),
            "gru4rec": ("ml-1m-gru4rec",),
            "bert4rec": ("ml-1m-bert4rec",),
            "mean of local hstu and gru4rec": (
                "ml-1m-hstu",
                "model.kind=ensemble",
                'model.runs=["RUNS/local hstu", RUNS/gru4rec]',
            ),
            "student of local hstu and gru4rec": (
                "ml-1m-local-hstu",
                'distill={runs: ["RUNS/local hstu", RUNS/gru4rec], weight: 0.7}',
            ),
        },
        {
            f"GRU4Rec ({_HSTU_README})": (0.2811, 0.1648),
            f"BERT4Rec ({_HSTU_README})": (0.2843, 0.1537),
            f"SASRec ({_HSTU_README})": (0.2853, 0.1603, 0.5474, 0.7528),
            f"HSTU ({_HSTU_README})": (0.3097, 0.1720, 0.5754, 0.7716),
            f"HSTU-large ({_HSTU_README})": (0.3294, 0.1893, 0.5935, 0.7839),
        },
        same={
            f"GRU4Rec ({_HSTU_README})": "gru4rec",
            f"BERT4Rec ({_HSTU_README})": "bert4rec",
            f"SASRec ({_HSTU_README})": "sasrec",
            f"HSTU ({_HSTU_README})": "hstu",
        },
        pairs=(
            ("hstu, 50 wide, 2 layers", "sasrec, 50 wide"),
            ("hstu, 2 layers", "sasrec"),
            ("hstu", "sasrec"),
            ("local hstu", "hstu"),
            ("local hstu", "gru4rec"),
            ("student of local hstu and gru4rec", "local hstu"),
        ),
    ),
    "gowalla": Study(
        "Gowalla, what else a user visits: the split of NGCF and LightGCN, all places ranked but known ones",
        "ials",
        ("test/recall_plain@20/full", "test/ndcg@20/full"),
        {
            "popularity": ("gowalla-item-knn", "model.kind=popularity"),
            "item-knn": ("gowalla-item-knn",),
            "user-knn": ("gowalla-user-knn",),
            "ials": ("gowalla-ials",),
            "ease": ("gowalla-ease",),
            "graph-filter": ("gowalla-graph-filter",),
            "sharpened graph-filter": ("gowalla-sharpened-filter",),
            "lightgcn": ("gowalla-lightgcn",),
            "blend": ("gowalla-blend",),
        },
        {
            "ItemCF (BARS)": (0.1570, 0.1214),
            "MF-BPR (BARS)": (0.1627, 0.1378),
            "EASE (BARS)": (0.1765, 0.1467),
            "LightGCN (its authors)": (0.1830, 0.1554),
            "GF-CF, the graph filter (its authors)": (0.1849, 0.1518),
            "SimpleX (BARS)": (0.1872, 0.1557),
            "BSPM, the sharpened filter (its authors)": (0.1920, 0.1597),
        },
        same={
            "ItemCF (BARS)": "item-knn",
            "EASE (BARS)": "ease",
            "LightGCN (its authors)": "lightgcn",
            "GF-CF, the graph filter (its authors)": "graph-filter",
            "BSPM, the sharpened filter (its authors)": "sharpened graph-filter",
        },
    ),
    "diginetica": Study(
        "Diginetica, the next item of a session: prefixes of the last week, all items ranked, nothing masked",
        "item-knn",
        ("test/hr@20/full", "test/mrr@20/full", "test/hr@20/full/new", "test/hr@20/full/repeat"),
        {
            "popularity": ("diginetica-markov", "model.kind=popularity"),
            "markov": ("diginetica-markov",),
            "rules": ("diginetica-rules",),
            "vsknn": ("diginetica-vsknn",),
            "item-knn": ("diginetica-item-knn",),
            "walk": ("diginetica-walk",),
            "blend": ("diginetica-blend",),
            "gru4rec": ("diginetica-gru4rec",),
            "core": ("diginetica-core",),
            "mean of blend and core": (
                "diginetica-core",
                *("model.kind=ensemble", "model.runs=[RUNS/blend, RUNS/core]", "model.weights=[1, 3]"),
            ),
        },
        {
            "GRU4Rec (as later papers quote it)": (0.295, 0.083),
            "NARM (the same)": (0.497, 0.162),
            "SR-GNN (the same)": (0.507, 0.176),
            "GCE-GNN (the same)": (0.542, 0.190),
        },
        same={"GRU4Rec (as later papers quote it)": "gru4rec"},
        pairs=(("mean of blend and core", "blend"), ("core", "gru4rec")),
    ),
    "ml-1m-ncf": Study(
        "MovieLens-1M, the protocol of NCF: each test movie among 99 given ones (comparable with nothing else here)",
        "neumf",
        ("test/hr@10/sampled-99", "test/ndcg@10/sampled-99"),
        {
            "popularity": ("ml-1m-neumf", "model.kind=popularity"),
            "item-knn": (
                "ml-1m-neumf",
                *("model.kind=item-knn", "model.neighbours=200"),
                *("model.user_exponent=0.5", "model.candidate_exponent=0.8"),
            ),
            "user-knn": ("ml-1m-neumf", "model.kind=user-knn", "model.neighbours=200"),
            "graph-filter": ("ml-1m-neumf", "model.kind=graph-filter"),
            "ease": ("ml-1m-neumf", "model.kind=ease"),
            "ials": ("ml-1m-neumf", "model.kind=ials"),
            "ridge": ("ml-1m-neumf", "model.kind=next-item-ridge"),
            "neumf": ("ml-1m-neumf",),
            "neumf, 64 factors": ("ml-1m-neumf-64",),
            "gmf, 64 factors": (
                "ml-1m-neumf",
                *("model.kind=gmf", "model.dimension=64", "model.l2=5e-3", "model.batch_size=2048"),
                "train.epochs=20",
            ),
            "mlp": (
                "ml-1m-neumf",
                *("model.kind=ncf-mlp", "model.dimension=32", "model.hidden=[64, 32, 16]"),
                *("model.l2=5e-3", "model.batch_size=2048"),
            ),
            "slcm": (
                "ml-1m-neumf",
                *("model.kind=slcm", "model.cell=gru", "model.hidden=[64, 32, 16]"),
                *("train.learning_rate=3e-3", "train.schedule=constant", "train.epochs=12"),
            ),
        },
        {"NeuMF, pretrained, 64 factors (NCF authors)": (0.730, 0.447)},
        same={"NeuMF, pretrained, 64 factors (NCF authors)": "neumf, 64 factors"},
    ),
    "ml-1m-held-out": Study(
        "MovieLens-1M, users that training never saw: ratings of 4 and 5, four fifths shown (the protocol of Mult-VAE)",
        "ease",
        ("test/ndcg@100/full", "test/recall@20/full", "test/recall@50/full"),
        {
            "popularity": ("ml-1m-ease", "model.kind=popularity"),
            "item-knn": ("ml-1m-ease", "model.kind=item-knn"),
            "ease": ("ml-1m-ease",),
            "mult-vae": ("ml-1m-mult-vae",),
            "mult-dae": ("ml-1m-mult-dae",),
        },
    ),
}

STUDIES |= amazon_reviews.STUDIES | side_information.STUDIES | candidate_models.STUDIES | distilled_lists.STUDIES
