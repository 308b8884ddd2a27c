"""The models of the ranking benchmark on the Criteo sample, and what others' implementations reached there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aisle import recipe as recipes
from aisle.recipe import TableRecipe

RECIPES = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True)
class Entry:
    """One model: its recipe, and what is set otherwise."""

    recipe: str
    overrides: tuple[str, ...] = ()

    def load(self) -> TableRecipe:
        """The resolved recipe."""
        recipe = recipes.load(RECIPES / f"{self.recipe}.yaml", list(self.overrides))
        assert isinstance(recipe, TableRecipe), "a benchmark of tables"
        return recipe

    def command(self, how: str) -> str:
        """What trains it from the shell."""
        sets = " ".join(f"--set '{override}'" for override in self.overrides)
        return " ".join(filter(None, [f"aisle train recipes/{self.recipe}.yaml", sets, how]))


def _linear(recipe: str, num_epochs: int, *overrides: str) -> Entry:
    training = (f"training.num_epochs={num_epochs}", "training.table_learning_rate=0.1", "training.table_l2=1.5e-4")
    return Entry(recipe, ("model.kind=logistic", *training, *overrides))


def _model(kind: str, *overrides: str, recipe: str = "criteo") -> Entry:
    return Entry(recipe, (f"model.kind={kind}", *overrides))


#: The layers of the peers' DLRM, and the smaller ones of `recipes/criteo.yaml`, which validation rows prefer.
PEER_LAYERS = ("model.dense_layers=[512, 256, 64]", "model.over_layers=[512, 256]")
_SMALLER = ("model.dense_layers=[256, 64]", "model.over_layers=[256, 64]")
_SHORT = ("training.precision=bfloat16",)
_SLOWER = ("training.table_learning_rate=0.02", "training.table_l2=1e-4")
_FM = ("training.table_optimizer=adam", "training.table_learning_rate=3e-3", "training.table_l2=1e-4")
_AFM = (
    *("training.table_optimizer=adam", "training.table_learning_rate=1.5e-2", "training.table_l2=3e-4"),
    *("training.learning_rate=1e-2", "training.num_epochs=3"),
)
MODELS = {
    "logistic": _linear("criteo-bucketized", 8),
    "logistic, log numbers": _linear("criteo", 16, "training.patience=64"),
    "fm": _model("fm", *_FM),
    "fwfm": _model("fwfm", *_FM),
    "afm": _model("afm", *_AFM),
    "nfm": _model("nfm", *_SLOWER),
    "wide-deep": _model("wide-deep"),
    "dnn": _model("dnn"),
    "deepfm": _model("deepfm", *_SLOWER),
    "deepfm, bucketized": _model(
        "deepfm",
        *("training.table_learning_rate=0.02", "training.table_l2=3e-4"),
        *("training.batch_size=512", "training.learning_rate=1e-3"),
        recipe="criteo-bucketized",
    ),
    "xdeepfm": _model("xdeepfm", *_SLOWER, *_SHORT),
    "dcn": _model("dcn"),
    "dcn-v2": _model("dcn-v2"),
    "dcn-v2, low rank": _model("dcn-v2", "model.rank=64"),  # by validation, of 16 and 64
    "autoint": _model("autoint", "model.attention_layers=1", "model.deep_layers=[256, 128]", *_SLOWER),
    "finalmlp": _model("finalmlp"),
    "masknet": _model("masknet", "training.learning_rate=1e-3"),
    "dlrm": Entry("criteo", PEER_LAYERS),
    "dlrm, smaller layers": Entry("criteo"),
    "dlrm, cat": Entry("criteo", (*PEER_LAYERS, "model.interaction=cat")),
    "dlrm, bucketized": Entry("criteo-bucketized"),
    "dlrm, bfloat16": Entry("criteo", (*PEER_LAYERS, *_SHORT)),
    "dcn-v2, bfloat16": _model("dcn-v2", *_SHORT),
    "deepfm, bfloat16": _model("deepfm", *_SLOWER, *_SHORT),
    "attention-dlrm, replace": _model("attention-dlrm", "model.attention=replace", *PEER_LAYERS),
    "attention-dlrm, smaller layers": _model("attention-dlrm", *_SMALLER),
}
#: Models trained by plain PyTorch in float32, without our kernels, and the same as `aisle train` trains them.
PLAIN = {f"{kind}, plain PyTorch": {"float32": kind, "bfloat16": f"{kind}, bfloat16"} for kind in ("dlrm", "deepfm")}
#: Others' implementations on the same rows, test AUC and log loss over three seeds, each measured by itself.
PEERS = {
    "scikit-learn logistic regression, bucketized numbers": {"auc": 0.7596, "logloss": 0.4804},
    "scikit-learn logistic regression, log numbers": {"auc": 0.7575, "logloss": 0.4823},
    "DeepCTR-Torch FM": {"auc": 0.7540, "logloss": 0.4854},
    "DeepCTR-Torch AFM": {"auc": 0.7554, "logloss": 0.4841},
    "DeepCTR-Torch DeepFM": {"auc": 0.7566, "logloss": 0.4830},
    "DeepCTR-Torch DeepFM, bucketized numbers": {"auc": 0.7591, "logloss": 0.4812},
    "DeepCTR-Torch DCN": {"auc": 0.7548, "logloss": 0.4844},
    "FuxiCTR DCN v2": {"auc": 0.7583, "logloss": 0.4821},
    "FuxiCTR DLRM": {"auc": 0.7576, "logloss": 0.4833},
    "facebookresearch/dlrm": {"auc": 0.7572, "logloss": 0.4830},
    "TorchRec DLRM": {"auc": 0.7571, "logloss": 0.4833},
    "LightGBM": {"auc": 0.7563, "logloss": 0.4829},
    "mean of 11 models": {"auc": 0.7626, "logloss": 0.4784},
}
