"""Every model over lists: what fits it or builds what is trained, and what a bundle of it is opened as.

A new model is a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from safetensors.torch import save_file

from aisle.bundle import Bundle
from aisle.data.questions import ListSplit
from aisle.evaluate.full_ranking import ListRecommender, SavedRecommender, evaluate_split
from aisle.pipeline.action_items import ActionItemScorer
from aisle.pipeline.candidate_scorer import CandidateScorer
from aisle.pipeline.sequence_encoder import SequenceEncoder
from aisle.recipe import ListRecipe
from aisle.recipe.list_models import candidates, collaborative, content, deep_collaborative, sequential, transitions
from aisle.recipe.list_models.ensemble import EnsembleSpec
from aisle.recipe.lists import tells_all_next_items
from aisle.retrieval import collaborative as cf
from aisle.retrieval import networks
from aisle.retrieval import transitions as moves
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.lists import autoencoders
from aisle.train.lists import deep_collaborative as deep
from aisle.train.lists.action_items import build_action_items
from aisle.train.lists.candidates import build_candidate_model
from aisle.train.lists.distillation import open_teachers
from aisle.train.lists.ensemble import Ensemble, open_ensemble
from aisle.train.lists.latent_context import build_slcm
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.run import FitTask, Fitted
from aisle.train.lists.sequences import build_sequence_model
from aisle.train.lists.trainee import Trainee

Fit = Callable[..., SavedRecommender]
Build = Callable[..., Trainee]


class Opened(Protocol):
    """A class of recommenders that a bundle holds."""

    def load(self, bundle: Bundle, folder: str) -> SavedRecommender:
        """The recommender in a folder."""
        ...


#: By specification: what fits the model at once, and what it is opened as.
FITS: dict[type, tuple[Fit, Opened]] = {
    collaborative.BprSpec: (cf.fit_bpr, cf.UserFactors),
    collaborative.ExplicitSvdSpec: (cf.fit_explicit_svd, cf.RatingFactors),
    collaborative.GraphFilterSpec: (cf.fit_graph_filter, cf.LinearRecommender),
    collaborative.ImplicitAlsSpec: (cf.fit_implicit_als, cf.FoldedFactors),
    collaborative.ItemKnnSpec: (cf.fit_item_knn, cf.LinearRecommender),
    collaborative.ListEaseSpec: (cf.fit_list_ease, cf.LinearRecommender),
    collaborative.PureSvdSpec: (cf.fit_pure_svd, cf.LinearRecommender),
    collaborative.UserKnnSpec: (cf.fit_user_knn, cf.UserNeighbours),
    content.ListContentSpec: (moves.fit_list_content, moves.ItemVotes),
    transitions.BlendSpec: (moves.fit_blend, moves.Blend),
    transitions.MarkovSpec: (moves.fit_markov, moves.ItemVotes),
    transitions.NextItemRidgeSpec: (moves.fit_next_item_ridge, moves.ItemVotes),
    transitions.PopularitySpec: (moves.fit_popularity, moves.ItemVotes),
    transitions.RulesSpec: (moves.fit_rules, moves.ItemVotes),
    transitions.SessionItemKnnSpec: (moves.fit_session_item_knn, moves.ItemVotes),
    transitions.VsknnSpec: (moves.fit_vsknn, moves.SessionNeighbours),
}
#: By specification: what builds the network and its examples, and what it is opened as.
BUILDS: dict[type, tuple[Build, Opened]] = {
    deep_collaborative.AcfSpec: (deep.build_acf, networks.AttentiveHistories),
    deep_collaborative.DmfSpec: (deep.build_dmf, networks.HistoryNetwork),
    deep_collaborative.GmfSpec: (deep.build_gmf, cf.UserFactors),
    deep_collaborative.LightGcnSpec: (deep.build_lightgcn, cf.UserFactors),
    deep_collaborative.MultDaeSpec: (autoencoders.build_mult_dae, networks.HistoryNetwork),
    deep_collaborative.MultVaeSpec: (autoencoders.build_mult_vae, networks.HistoryNetwork),
    deep_collaborative.NcfMlpSpec: (deep.build_ncf_mlp, networks.PairNetwork),
    deep_collaborative.NeuMfSpec: (deep.build_neumf, networks.PairNetwork),
    deep_collaborative.NnmfSpec: (deep.build_nnmf, networks.PairNetwork),
    sequential.Bert4RecSpec: (build_sequence_model, SequenceEncoder),
    sequential.CoreSpec: (build_sequence_model, SequenceEncoder),
    sequential.Gru4RecSpec: (build_sequence_model, SequenceEncoder),
    sequential.HstuSpec: (build_sequence_model, SequenceEncoder),
    candidates.ListBstSpec: (build_candidate_model, CandidateScorer),
    candidates.ListDienSpec: (build_candidate_model, CandidateScorer),
    candidates.ListDinSpec: (build_candidate_model, CandidateScorer),
    candidates.ListHstuRankerSpec: (build_action_items, ActionItemScorer),
    sequential.SasrecSpec: (build_sequence_model, SequenceEncoder),
    sequential.SlcmSpec: (build_slcm, networks.ContextNetwork),
    sequential.YoutubeDnnSpec: (build_sequence_model, SequenceEncoder),
}


def fit_lists(recipe: ListRecipe, split: ListSplit, task: FitTask) -> Fitted:
    """Fit the model of a recipe, or train it; see :class:`aisle.train.lists.run.FitLists`.

    Raises:
        BackendUnavailableError: the model needs a library that is not installed.
        DataError: the checkpoint is of another training, or the loss is not finite.
    """
    if isinstance(recipe.model, EnsembleSpec):
        return Fitted(*open_ensemble(recipe, load_recommender))
    if type(recipe.model) in FITS:
        task.progress(f"fit {recipe.model.kind}", 0, None)
        recommender = FITS[type(recipe.model)][0](recipe.model, split, seed=recipe.seed, progress=task.progress)
        return Fitted(recommender, 0)
    taught = {} if recipe.distill is None else {"teachers": open_teachers(recipe.distill, recipe, split)}
    trainee = BUILDS[type(recipe.model)][0](recipe.model, split, seed=recipe.seed, **taught)
    settings = LoopSettings(**recipe.train.model_dump(), seed=recipe.seed)

    def judge(recommender: ListRecommender) -> float:
        values = evaluate_split(recommender, split, recipe.metrics[:1], part="valid")
        return float(next(iter(values.values())).mean())

    fit = train_lists(
        trainee,
        settings,
        judge if len(split.valid) else None,
        identity=task.identity,
        checkpoints=Checkpoints(task.checkpoints),
        resume=True,
        progress=task.progress,
    )
    if tells_all_next_items(recipe.model):
        save_file(trainee.network.state_dict(), task.network)
    num_parameters = sum(parameter.numel() for parameter in trainee.network.parameters())
    return Fitted(trainee.recommender(), num_parameters, fit.num_epochs)


def load_recommender(recipe: ListRecipe, bundle: Bundle, folder: str) -> SavedRecommender:
    """The model of a recipe's bundle.

    Raises:
        BundleError: a part is missing or not as expected.
    """
    if isinstance(recipe.model, EnsembleSpec):
        return Ensemble.load(bundle, folder, load_recommender)
    kinds = FITS if type(recipe.model) in FITS else BUILDS
    return kinds[type(recipe.model)][1].load(bundle, folder)
