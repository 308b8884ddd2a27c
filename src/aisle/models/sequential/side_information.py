"""Side information of sequences: labels of items, and what is known of events, as vectors that are added.

References: Hidasi et al., "Parallel recurrent neural network architectures for feature-rich session-based
recommendations", RecSys 2016 (features of items); Li et al., "Time interval aware self-attention for sequential
recommendation", WSDM 2020 (time between events). Adding is the plainest way to combine them.

Legend of shapes: B sequences, T positions, V items, L labels, P pairs of an item and a label, A actions, G buckets of
gaps, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Events:
    """What is known of the events of sequences; each is missing where the model does not read it.

    Attributes:
        actions_BT: Rows of actions; -1: another one.
        gaps_BT: The bucket of the time since the position before, see :func:`aisle.data.item_lists.time_gaps`.
        times_BT: Seconds, for an encoder that looks at the time between any two positions.
    """

    actions_BT: Tensor | None = None
    gaps_BT: Tensor | None = None
    times_BT: Tensor | None = None


NOTHING = Events()


class SideInformation(nn.Module):
    """Vectors of labels, actions and gaps.

    Args:
        dim: D.
        labels_VL: How much of each label an item bears; missing: labels are not known.
        is_sought: Whether labels stand in the vectors of items that are sought too.
        num_actions: A; 0: actions are not read.
        num_gaps: G; 0: gaps are not read.
        reads_times: Whether the encoder reads the seconds themselves.
        generator: Draws the first vectors, normal with the deviation .02.
    """

    def __init__(
        self,
        dim: int,
        *,
        labels_VL: sparse.csr_matrix | None = None,
        is_sought: bool = False,
        num_actions: int = 0,
        num_gaps: int = 0,
        reads_times: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def vectors(count: int) -> nn.Parameter | None:
            return nn.Parameter(torch.randn(count, dim, generator=generator) * 0.02) if count else None

        self.labels = vectors(0 if labels_VL is None else labels_VL.shape[1])
        self.actions = vectors(num_actions)
        self.gaps = vectors(num_gaps)
        self.is_sought = is_sought
        self.reads_times = reads_times
        if labels_VL is not None:
            self.register_buffer("label_P", torch.from_numpy(labels_VL.indices.astype("int64")), persistent=False)
            self.register_buffer("start_V", torch.from_numpy(labels_VL.indptr[:-1].astype("int64")), persistent=False)
            self.register_buffer("weight_P", torch.from_numpy(labels_VL.data.astype("float32")), persistent=False)

    def read(self, items_VD: Tensor) -> Tensor:
        """The vectors of items where they are read [V, D]."""
        if self.labels is None:
            return items_VD
        return items_VD + functional.embedding_bag(
            self.get_buffer("label_P"),
            self.labels,
            self.get_buffer("start_V"),
            mode="sum",
            per_sample_weights=self.get_buffer("weight_P"),
        )

    def sought(self, items_VD: Tensor) -> Tensor:
        """The vectors of items where they are sought [V, D]."""
        return self.read(items_VD) if self.is_sought else items_VD

    def beside(self, embedded_BTD: Tensor, events: Events) -> Tensor:
        """What stands at each position [B, T, D], with what is known of its event."""
        if self.actions is not None:
            assert events.actions_BT is not None, "the model reads actions"
            actions_BTD = functional.embedding(events.actions_BT.clamp(min=0), self.actions)
            embedded_BTD = embedded_BTD + actions_BTD * (events.actions_BT >= 0)[:, :, None]
        if self.gaps is not None:
            assert events.gaps_BT is not None, "the model reads gaps"
            embedded_BTD = embedded_BTD + functional.embedding(events.gaps_BT, self.gaps)
        return embedded_BTD
