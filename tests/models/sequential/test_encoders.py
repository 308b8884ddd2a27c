"""Every model of sequences, trained by the loop and exported, keeps the contract of recommenders over lists."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.nn.sequences.convolution import BothSidedConvolution, CausalConvolution
from aisle.pipeline.sequence_encoder import SequenceEncoder
from aisle.recipe.list_models.sequential import (
    Bert4RecSpec,
    CoreSpec,
    Gru4RecSpec,
    HstuSpec,
    ItemLossSpec,
    SasrecSpec,
    SequenceModelSpec,
    YoutubeDnnSpec,
)
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.next_item import SequenceScorer
from aisle.train.lists.sequences import build_sequence_model
from tests.contracts.list_recommenders import ListRecommenderContract, cycle_world, targets_of

SMALL: dict[str, Any] = {
    "dim": 16,
    "max_length": 12,
    "batch_size": 16,
    "dropout": 0.1,
    "loss": ItemLossSpec(temperature=0.1),
}
SASREC = SasrecSpec(kind="sasrec", num_blocks=1, **SMALL)
HSTU = HstuSpec(kind="hstu", num_layers=1, **SMALL)
LOCAL_HSTU = HSTU.model_copy(update={"convolution": 3})
GRU4REC = Gru4RecSpec(kind="gru4rec", **SMALL)
CORE = CoreSpec(kind="core", **SMALL)
LSTM = GRU4REC.model_copy(update={"cell": "lstm"})
RNN = GRU4REC.model_copy(update={"cell": "rnn"})
BERT4REC = Bert4RecSpec(kind="bert4rec", num_blocks=1, mask_share=0.3, last_share=0.5, **SMALL)
LOCAL_BERT4REC = BERT4REC.model_copy(update={"convolution": 3, "num_blocks": 2})
TWO_BLOCKS = SASREC.model_copy(update={"num_blocks": 2, "num_heads": 2})
TWO_LAYERS = LOCAL_HSTU.model_copy(update={"num_layers": 2, "num_heads": 2})
YOUTUBE_DNN = YoutubeDnnSpec(kind="youtube-dnn", hidden=[32], normalize=False, **SMALL)
WINDOWS = YOUTUBE_DNN.model_copy(update={"windows": [1, 3, 20]})


#: What was exported of a network with these weights.
_EXPORTED: dict[bytes, SequenceEncoder] = {}


class ExportedContract(ListRecommenderContract):
    """What is tested is what serves: the encoder's graph, without torch."""

    spec: ClassVar[SequenceModelSpec]
    epochs: ClassVar[int] = 15
    learning_rate: ClassVar[float] = 0.02

    def fit(self, split: ListSplit) -> SequenceEncoder:
        trainee = build_sequence_model(self.spec, split, seed=1)
        train_lists(trainee, LoopSettings(epochs=self.epochs, learning_rate=self.learning_rate), None)
        weights = b"".join(tensor.numpy().tobytes() for tensor in trainee.network.state_dict().values())
        if weights not in _EXPORTED:  # exporting takes longer than training
            _EXPORTED[weights] = export_encoder(trainee.network, self.spec.max_length)
        return _EXPORTED[weights]


class TestSasrec(ExportedContract):
    spec = SASREC


class TestHstu(ExportedContract):
    spec = HSTU


class TestHstuWithConvolution(ExportedContract):
    spec = LOCAL_HSTU


class TestGru4Rec(ExportedContract):
    spec = GRU4REC


class TestCore(ExportedContract):
    spec = CORE


class TestGru4RecOfLstm(ExportedContract):
    spec = LSTM


class TestGru4RecOfRnn(ExportedContract):
    spec = RNN


class TestSasrecWithHardNegatives(ExportedContract):
    spec = SASREC.model_copy(update={"loss": ItemLossSpec(negatives=12, hard=3, temperature=0.1)})
    epochs = 25


class TestSasrecWithInBatchNegatives(ExportedContract):
    spec = SASREC.model_copy(update={"loss": ItemLossSpec(in_batch=True, log_q=True, temperature=0.1)})
    epochs = 25


class TestBert4Rec(ExportedContract):
    spec = BERT4REC
    epochs = 80
    learning_rate = 0.01


class TestBert4RecWithConvolution(ExportedContract):
    spec = LOCAL_BERT4REC.model_copy(update={"num_blocks": 1})
    epochs = 80
    learning_rate = 0.01


class TestYoutubeDnn(ExportedContract):
    spec = YOUTUBE_DNN
    epochs = 40


class TestYoutubeDnnOfWindows(ExportedContract):
    spec = WINDOWS


MODELS: list[SequenceModelSpec] = [
    SASREC,
    HSTU,
    LOCAL_HSTU,
    GRU4REC,
    LSTM.model_copy(update={"num_layers": 2, "hidden": 5}),
    RNN,
    YOUTUBE_DNN,
    WINDOWS,
    CORE,
    BERT4REC,
    LOCAL_BERT4REC,
]
NAMES = [
    *("sasrec", "hstu", "local-hstu", "gru", "lstm", "rnn", "youtube-dnn", "windows", "core"),
    *("bert4rec", "local-bert4rec"),
]
#: Those that read the past alone.
CAUSAL, CAUSAL_NAMES = MODELS[:-2], NAMES[:-2]


def network_of(spec: SequenceModelSpec) -> SequenceModel:
    """As it begins, but for weights that begin as 0."""
    network = build_sequence_model(spec, cycle_world(), seed=3).network.eval()
    draw = torch.Generator().manual_seed(4)
    for layer in network.modules():
        if isinstance(layer, CausalConvolution | BothSidedConvolution):
            layer.weights.data.normal_(generator=draw)
    return network


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_what_is_exported_scores_as_the_network(spec: SequenceModelSpec) -> None:
    """Of histories that are empty, short, of one item, and longer than what the network reads."""
    network = network_of(spec)
    draw = np.random.default_rng(0)
    histories = ItemLists.of([draw.integers(0, 20, size) for size in (3, 0, 1, 12, 30, 2)])
    questions = Questions(histories, targets_of(np.zeros(6, np.int64)), np.full(6, -1))
    expected_RV = SequenceScorer(network, spec.max_length).score(questions)
    exported = export_encoder(network, spec.max_length)
    np.testing.assert_allclose(exported.score(questions), expected_RV, rtol=1e-4, atol=1e-5)
    assert (expected_RV[1] == 0).all(), "an empty history says nothing"
    assert (expected_RV.std(axis=0) > 0).all()
    short = Questions(histories.take(np.array([2])), targets_of(np.zeros(1, np.int64)), np.full(1, -1))
    np.testing.assert_allclose(exported.score(short)[0], expected_RV[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", CAUSAL, ids=CAUSAL_NAMES)
def test_no_position_sees_one_behind_it(spec: SequenceModelSpec) -> None:
    network = network_of(spec)
    items_BT = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        before_BTD = network(items_BT)
        for last in range(4):
            changed_BT = items_BT.clone()
            changed_BT[:, last + 1 :] = torch.arange(19, 15 + last, -1)
            torch.testing.assert_close(network(changed_BT)[:, : last + 1], before_BTD[:, : last + 1])
            assert not torch.allclose(network(changed_BT)[:, last + 1], before_BTD[:, last + 1])


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_padding_behind_a_sequence_changes_nothing(spec: SequenceModelSpec) -> None:
    network = network_of(spec)
    with torch.no_grad():
        alone_BTD = network(torch.tensor([[1, 2, 3]]))
        padded_BTD = network(torch.tensor([[1, 2, 3, -1, -1]]))
        torch.testing.assert_close(padded_BTD[:, :3], alone_BTD)


@pytest.mark.parametrize("spec", [*CAUSAL, TWO_BLOCKS, TWO_LAYERS], ids=[*CAUSAL_NAMES, "two-blocks", "two-layers"])
@pytest.mark.parametrize("length", [1, 12])
def test_the_last_position_is_asked_alone_as_among_all(spec: SequenceModelSpec, length: int) -> None:
    network = network_of(spec)
    items_BT = torch.randint(0, 20, (5, length), generator=torch.Generator().manual_seed(1))
    last_B = torch.tensor([0, 3, 7, 11, 5]).clamp(max=length - 1)
    items_BT[torch.arange(length) > last_B[:, None]] = -1
    with torch.no_grad():
        among_all_BTD = network(items_BT)
        alone_BD = network.last_queries(network.embed(items_BT), last_B)
    torch.testing.assert_close(alone_BD, among_all_BTD[torch.arange(5), last_B])


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_first_weights_depend_on_the_seed_alone(spec: SequenceModelSpec) -> None:
    weights = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # what others draw does not matter
        state = build_sequence_model(spec, cycle_world(), seed=seed).network.state_dict()
        weights.append(torch.cat([tensor.flatten() for tensor in state.values()]))
    assert torch.isfinite(weights[0]).all()
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("spec", [BERT4REC, LOCAL_BERT4REC])
def test_bert4rec_sees_both_sides_of_a_hidden_item(spec: Bert4RecSpec) -> None:
    network = network_of(spec)
    hidden = 20
    with torch.no_grad():
        queries = [network(torch.tensor([items]))[0, 1] for items in ([1, hidden, 3], [1, hidden, 4], [2, hidden, 3])]
    assert not torch.allclose(queries[0], queries[1]) and not torch.allclose(queries[0], queries[2])


@pytest.mark.parametrize("spec", [BERT4REC, LOCAL_BERT4REC])
def test_bert4rec_is_asked_for_a_hidden_item_behind_the_history(spec: Bert4RecSpec) -> None:
    network = network_of(spec)
    items_BT = torch.tensor([[1, 2, 3], [4, -1, -1]])
    with torch.no_grad():
        queries_BD = network.last_queries(network.embed(items_BT), torch.tensor([2, 0]))
        torch.testing.assert_close(queries_BD[0], network(torch.tensor([[1, 2, 3, 20]]))[0, 3])
        torch.testing.assert_close(queries_BD[1], network(torch.tensor([[4, 20]]))[0, 1])


def test_a_loss_that_leaves_out_known_items_wants_all_others() -> None:
    with pytest.raises(ValidationError, match=r"loss.skip_known: expected negatives 0 \(all items\), received 8"):
        ItemLossSpec(skip_known=True, negatives=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hard": 4}, r"loss.hard: expected fewer than negatives \(0\), received 4"),
        ({"hard": 4, "negatives": 4}, r"loss.hard: expected fewer than negatives \(4\), received 4"),
        ({"hard": 4, "negatives": 8, "kind": "gbce"}, "loss.hard: expected 0 with gbce, .*, received 4"),
        ({"hard": 4, "negatives": 8, "log_q": True}, "loss.hard: expected 0 with log_q, .*, received 4"),
        ({"hard": 4, "in_batch": True, "log_q": True}, "loss.hard: expected 0 with log_q, .*, received 4"),
        ({"in_batch": True, "negatives": 8}, "loss.in_batch: expected no negatives beside it, received 8"),
        (
            {"in_batch": True, "popularity_power": 0.5},
            "loss.in_batch: expected no popularity_power beside it, received",
        ),
        ({"in_batch": True, "skip_known": True}, "loss.in_batch: expected no skip_known beside it, received True"),
        ({"in_batch": True, "kind": "gbce"}, "loss.in_batch: expected another loss than gbce"),
        ({"in_batch": True, "kind": "bpr", "log_q": True}, "loss.log_q: expected false with bpr, received true"),
    ],
)
def test_negatives_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ItemLossSpec.model_validate(options)


def test_a_batch_of_one_sequence_has_no_others() -> None:
    with pytest.raises(ValidationError, match=r"batch_size: expected 2 or more with loss.in_batch, received 1"):
        SasrecSpec(kind="sasrec", batch_size=1, loss=ItemLossSpec(in_batch=True))


@pytest.mark.parametrize("spec", [SASREC, BERT4REC])
def test_heads_that_do_not_divide_the_width_are_refused(spec: SequenceModelSpec) -> None:
    with pytest.raises(ConfigError, match="model: expected num_heads that divides the width 16, received 3"):
        build_sequence_model(spec.model_copy(update={"num_heads": 3}), cycle_world())


def test_a_convolution_tells_the_order_of_the_last_two_items() -> None:
    """Behind the items a and b, in this order, comes the item of the pair; behind b and a another."""
    pairs = [(one, other) for one in range(4) for other in range(4) if one != other]
    lists = ItemLists.of([[one, other, 4 + number] for number, (one, other) in enumerate(pairs)])
    targets_R = lists.last(1).items_E.astype(np.int64)
    asked = Questions(lists.without_last(1), targets_of(targets_R), np.full(len(pairs), -1))
    split = ListSplit(num_items=4 + len(pairs), train=lists, valid=asked, test=asked)
    trainee = build_sequence_model(LOCAL_HSTU, split, seed=0)
    train_lists(trainee, LoopSettings(epochs=60, learning_rate=0.02), None)
    assert trainee.recommender().score(asked).argmax(axis=1).tolist() == targets_R.tolist()
