"""Mult-VAE and Mult-DAE: autoencoders of what a user took, with a multinomial likelihood.

Reference: Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018.
Deviations from the paper: none in the model. Biases begin at 0 (the authors': normal with deviation .001).

Legend of shapes: B users of a batch, E entries of their histories, V items, H hidden values, Z latent values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.retrieval.networks import HistoryLayer, HistoryNetwork


class MultDAE(nn.Module):
    """A denoising autoencoder: part of a history is dropped, all of it is to be told.

    Args:
        num_items: V.
        hidden: H, from the input inwards; the decoder has the same outwards.
        latent: Z.
        dropout: The share of a history's entries that training drops.
        generator: Draws the first weights.
    """

    #: Outputs of the encoder for each latent value.
    encoder_outputs = 1

    def __init__(
        self,
        num_items: int,
        *,
        hidden: Sequence[int] = (),
        latent: int = 200,
        dropout: float = 0.5,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_items, self.latent, self.dropout = num_items, latent, dropout
        inwards = [*hidden, latent * self.encoder_outputs]
        outwards = [latent, *reversed(hidden)]
        first_scale = (2 / (num_items + inwards[0])) ** 0.5  # Xavier, as the other layers have it
        self.first_VH = nn.Parameter(torch.randn(num_items, inwards[0], generator=generator) * first_scale)
        self.first_bias_H = nn.Parameter(torch.zeros(inwards[0]))
        self.encoder = _layers(inwards, generator)
        self.decoder = _layers(outwards, generator)
        self.last = linear(outwards[-1], num_items, generator=generator)

    def forward(self, items_E: Tensor, starts_B: Tensor) -> tuple[Tensor, Tensor]:
        """What the histories say of all items.

        Args:
            items_E: The items of all histories, one history after the other, each item of it once.
            starts_B: Where each history starts.

        Returns:
            The logits [B, V], and the mean divergence of the latent values from their prior (0 without one).
        """
        latent_BZ, divergence = self.latent_values(self.encode(items_E, starts_B))
        values_BH = latent_BZ
        for layer in self.decoder:
            values_BH = torch.tanh(layer(values_BH))
        return self.last(values_BH), divergence

    def encode(self, items_E: Tensor, starts_B: Tensor) -> Tensor:
        """What the encoder makes of histories, each scaled to length 1 before entries are dropped."""
        ends_B = torch.cat([starts_B[1:], torch.tensor([len(items_E)])])
        sizes_B = ends_B - starts_B
        weights_E = torch.repeat_interleave(sizes_B.clamp(min=1).to(self.first_VH.dtype).rsqrt(), sizes_B)
        weights_E = functional.dropout(weights_E, self.dropout, self.training)
        values_BH = functional.embedding_bag(items_E, self.first_VH, starts_B, mode="sum", per_sample_weights=weights_E)
        values_BH = values_BH + self.first_bias_H
        for layer in self.encoder:
            values_BH = layer(torch.tanh(values_BH))
        return values_BH

    def latent_values(self, encoded_BZ: Tensor) -> tuple[Tensor, Tensor]:
        """The values that are decoded, and their divergence from a prior: tanh of what was encoded, 0."""
        return torch.tanh(encoded_BZ), torch.zeros(())

    def recommender(self) -> HistoryNetwork:
        """What serves it: nothing dropped, nothing drawn."""
        layers = [HistoryLayer(_array(self.first_VH), _array(self.first_bias_H), "tanh" if self.encoder else "linear")]
        for number, layer in enumerate(self.encoder, 1):
            layers.append(_served(layer, "tanh" if number < len(self.encoder) else "linear"))
        layers[-1] = self._served_latent(layers[-1])
        layers += [_served(layer, "tanh") for layer in self.decoder]
        return HistoryNetwork(layers, pooling="root", items_VD=_array(self.last.weight), bias_V=_array(self.last.bias))

    def _served_latent(self, layer: HistoryLayer) -> HistoryLayer:
        return replace(layer, activation="tanh")


class MultVAE(MultDAE):
    """A variational autoencoder: the latent values are drawn about what the encoder says, and served at their mean."""

    encoder_outputs = 2

    def latent_values(self, encoded_BZ: Tensor) -> tuple[Tensor, Tensor]:
        """Drawn values, and the Kullback-Leibler divergence from the standard normal, a mean over users in nats."""
        mean_BZ, log_variance_BZ = encoded_BZ.float().chunk(2, dim=1)
        divergence_B = 0.5 * (log_variance_BZ.exp() + mean_BZ.square() - 1 - log_variance_BZ).sum(dim=1)
        if self.training:
            mean_BZ = mean_BZ + torch.randn_like(mean_BZ) * (0.5 * log_variance_BZ).exp()
        return mean_BZ, divergence_B.mean()

    def _served_latent(self, layer: HistoryLayer) -> HistoryLayer:
        return HistoryLayer(layer.weight_IO[:, : self.latent], layer.bias_O[: self.latent], "linear")


def _layers(sizes: Sequence[int], generator: torch.Generator) -> nn.ModuleList:
    return nn.ModuleList(linear(inputs, outputs, generator=generator) for inputs, outputs in pairwise(sizes))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy().copy()
    return array


def _served(layer: nn.Module, activation: Literal["tanh", "linear"]) -> HistoryLayer:
    assert isinstance(layer, nn.Linear)
    return HistoryLayer(_array(layer.weight.T), _array(layer.bias), activation)
