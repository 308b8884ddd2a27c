"""From a recipe to the objects that do what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aisle.data.snapshots import Snapshot
from aisle.errors import BackendUnavailableError, ConfigError
from aisle.features.fields import fields_of
from aisle.features.ranker_inputs import RankerInputs
from aisle.pipeline.generators import Generator
from aisle.recipe import ShopRecipe, TableRecipe
from aisle.recipe.columns import expand_columns
from aisle.recipe.generators import (
    ArrivalsSpec,
    ContentSpec,
    CooccurrenceSpec,
    EaseSpec,
    PopularitySpec,
    RepeatsSpec,
    SequenceSpec,
    TransitionsSpec,
    TrendingSpec,
    TwoTowerSpec,
)
from aisle.recipe.list_sources import ListModelSourceSpec, TrainedSourceSpec
from aisle.recipe.models import HistoryModelSpec
from aisle.recipe.ranker import DlrmSpec, FieldDlrmSpec, RankerSpec
from aisle.recipe.shop import POPULARITY_KINDS
from aisle.recipe.tables import TablesSpec
from aisle.retrieval import (
    Signals,
    fit_arrivals,
    fit_content,
    fit_cooccurrence,
    fit_ease,
    fit_popularity,
    fit_repeats,
    fit_transitions,
    fit_trending,
)
from aisle.retrieval.shop_lists import fit_list_source
from aisle.train.shop.pipelines import Fitters

if TYPE_CHECKING:
    import torch

    from aisle.models import Ranker
    from aisle.nn.embeddings import EmbeddingBagCollection
    from aisle.train.shop.ranker import BuildRanker

_Fit = Callable[[str, Any, Snapshot, Signals], Sequence[Generator]]


def _fit_two_tower(name: str, spec: TwoTowerSpec, snapshot: Snapshot, signals: Signals) -> Sequence[Generator]:
    _check_torch(name, "a two-tower model")
    from aisle.train.two_tower.fit import fit_two_tower

    return fit_two_tower(name, spec, snapshot, signals)


def _fit_sequence(name: str, spec: SequenceSpec, snapshot: Snapshot, signals: Signals) -> Sequence[Generator]:
    _check_torch(name, "a model of sequences")
    from aisle.train.lists.shop_sequences import fit_sequence

    return fit_sequence(name, spec, snapshot, signals)


def _fit_list_model(name: str, spec: ListModelSourceSpec, snapshot: Snapshot, signals: Signals) -> Sequence[Generator]:
    model = spec.model
    if not isinstance(model, TrainedSourceSpec):
        return fit_list_source(name, spec, model, snapshot, signals)
    _check_torch(name, model.kind)
    from aisle.train.lists.shop_lists import train_list_source

    return train_list_source(name, spec, model, snapshot, signals)


def _check_torch(name: str, model: str) -> None:
    """Only where a recipe has such a generator."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError(
            f"generators.{name}: expected PyTorch to train {model}, it is not installed; "
            "pip install 'aisle[train]', or leave the generator out of the recipe"
        ) from error


#: One line per kind of generator.
FITS: dict[type, _Fit] = {
    ArrivalsSpec: fit_arrivals,
    ContentSpec: fit_content,
    CooccurrenceSpec: fit_cooccurrence,
    EaseSpec: fit_ease,
    ListModelSourceSpec: _fit_list_model,
    PopularitySpec: fit_popularity,
    RepeatsSpec: fit_repeats,
    SequenceSpec: _fit_sequence,
    TransitionsSpec: fit_transitions,
    TrendingSpec: fit_trending,
    TwoTowerSpec: _fit_two_tower,
}


def shop_fitters(recipe: ShopRecipe) -> Fitters:
    """What makes the parts of a shop's recipe.

    Raises:
        BackendUnavailableError: the recipe has a ranker, and PyTorch is not installed.
    """
    return Fitters(generator_fitter(recipe), None if recipe.ranker is None else ranker_builder(recipe, recipe.ranker))


def ranker_builder(recipe: ShopRecipe, spec: RankerSpec) -> BuildRanker:
    """A function that makes the untrained model of a recipe.

    Raises:
        BackendUnavailableError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(
            "expected PyTorch to train the recipe's ranker, it is not installed; pip install 'aisle[train]', or rank "
            "by the blend: aisle train shop-quick --set ranker=null"
        ) from error
    from aisle.models.ranking import DLRM, FieldDLRM, LogisticRegression
    from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig

    model = spec.model

    def embeddings_of(inputs: RankerInputs, width: int, generator: torch.Generator) -> EmbeddingBagCollection:
        tables = [
            EmbeddingBagConfig(name=name, num_embeddings=size, embedding_dim=width, feature_names=(name,))
            for name, size in inputs.table_sizes.items()
        ]
        return EmbeddingBagCollection(tables, generator=generator)

    def build(inputs: RankerInputs, seed: int) -> Ranker:
        generator = torch.Generator().manual_seed(seed)
        if isinstance(model, FieldDlrmSpec):
            dense_fields, sparse_fields = _field_numbers(recipe, inputs)
            return FieldDLRM(
                embeddings_of(inputs, model.embedding_dim + 1, generator),
                dense_fields=dense_fields,
                sparse_fields=sparse_fields,
                generator=generator,
                **model.model_dump(include={"dense_layers", "over_layers", "dropout"}),
            )
        num_dense = len(inputs.dense_names)
        if isinstance(model, DlrmSpec):
            return DLRM(
                embeddings_of(inputs, model.embedding_dim, generator),
                num_dense=num_dense,
                raw_dense=True,
                linear_skip=True,
                generator=generator,
                **model.model_dump(include={"dense_layers", "over_layers", "interaction", "dropout"}),
            )
        return LogisticRegression(embeddings_of(inputs, 1, generator), num_dense=num_dense)

    return build


def table_ranker(recipe: TableRecipe, dense_names: Sequence[str], table_sizes: Mapping[str, int]) -> Ranker:
    """The untrained model of a table recipe; the same recipe gives the same first weights.

    Args:
        recipe: Names the model and its tables.
        dense_names: The columns of numbers.
        table_sizes: For each column of table rows in order: how many there are, padding and unknown included.

    Raises:
        BackendUnavailableError: PyTorch is not installed.
        ConfigError: the recipe's tables name a feature that there is not, or the columns are none for the model.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(
            f"expected PyTorch to train {recipe.name}, it is not installed; pip install 'aisle[train]'"
        ) from error
    from aisle.models.multi_task.registry import MULTI_TASK_MODELS
    from aisle.models.ranking.registry import MODELS

    model = (MODELS | MULTI_TASK_MODELS)[recipe.model.kind]
    generator = torch.Generator().manual_seed(recipe.seed)
    try:
        embeddings = table_embeddings(
            recipe.tables, table_sizes, model.table_width(recipe.tables.embedding_dim), generator
        )
        fields = _model_fields(recipe, dense_names, list(table_sizes))
        ranker: Ranker = model(embeddings, num_dense=len(dense_names), generator=generator, **fields)
    except ValueError as error:
        raise ConfigError(f"model {recipe.model.kind}: {error}") from error
    return ranker


def _model_fields(recipe: TableRecipe, dense_names: Sequence[str], sparse_names: Sequence[str]) -> dict[str, Any]:
    """What a recipe says of its model, names of columns written out."""
    model = recipe.model
    fields = model.model_dump(exclude={"kind"})
    if recipe.data.tasks:
        fields["tasks"] = recipe.data.tasks
    if isinstance(model, HistoryModelSpec):
        fields["histories"] = {
            name: expand_columns(places, sparse_names, f"model.histories.{name}")
            for name, places in model.histories.items()
        }
        if isinstance(model.length_column, str):
            (name,) = expand_columns([model.length_column], dense_names, "model.length_column")
            fields["length_column"] = list(dense_names).index(name)
    return fields


def table_embeddings(
    tables: TablesSpec, table_sizes: Mapping[str, int], width: int, generator: torch.Generator
) -> EmbeddingBagCollection:
    """The tables of a recipe, one per column unless some share one, with vectors of ``width`` numbers."""
    from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
    from aisle.nn.tables.kinds import kind_of

    kinds = tables.resolve(table_sizes, width)
    embeddings = EmbeddingBagCollection(
        [
            EmbeddingBagConfig(
                name=name,
                num_embeddings=table_sizes[name],
                embedding_dim=width,
                feature_names=tuple(features),
                kind=kind_of(kinds[name]),
            )
            for name, features in tables.features_of(list(table_sizes)).items()
        ],
        generator=generator,
    )
    assert embeddings.feature_names == list(table_sizes), "columns of one table stand side by side"
    return embeddings


def _field_numbers(recipe: ShopRecipe, inputs: RankerInputs) -> tuple[list[int], list[int]]:
    """The fields of the dense and of the sparse features, numbered in the order in which they come up."""
    kinds = {
        source: "popularity" if spec.kind in POPULARITY_KINDS else spec.kind
        for name, spec in recipe.generators.items()
        for source in spec.source_names(name)
    }
    dense, sparse = fields_of(inputs.dense_names, kinds), fields_of(list(inputs.table_sizes), kinds)
    number_of = {field: number for number, field in enumerate(dict.fromkeys([*dense, *sparse]))}
    return [number_of[field] for field in dense], [number_of[field] for field in sparse]


def generator_fitter(
    recipe: ShopRecipe, report: Callable[[str, float], None] | None = None
) -> Callable[[Snapshot], Mapping[str, Generator]]:
    """A function that fits all generators of a recipe on a snapshot.

    Args:
        recipe: Says which.
        report: Told each generator's name and seconds.

    Raises:
        ConfigError: two generators would have one name (when fitting).
    """
    signals = Signals(recipe.signals, recipe.target)

    def fit(snapshot: Snapshot) -> Mapping[str, Generator]:
        fitted: dict[str, Generator] = {}
        for name, spec in recipe.generators.items():
            started = time.perf_counter()
            for generator in FITS[type(spec)](name, spec, snapshot, signals):
                if generator.name in fitted:
                    raise ConfigError(f"generators: two sources are named {generator.name!r}; rename one of them")
                fitted[generator.name] = generator
            if report is not None:
                report(name, time.perf_counter() - started)
        return fitted

    return fit
