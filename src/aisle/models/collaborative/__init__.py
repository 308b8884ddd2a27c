"""Collaborative filtering by gradient: networks over users and what they took; one paper, one file."""

from aisle.models.collaborative.acf import ACF
from aisle.models.collaborative.dmf import DMF
from aisle.models.collaborative.gmf import GMF
from aisle.models.collaborative.lightgcn import LightGCN
from aisle.models.collaborative.mlp import PairMLP
from aisle.models.collaborative.mult_vae import MultDAE, MultVAE
from aisle.models.collaborative.neumf import NeuMF
from aisle.models.collaborative.nnmf import NNMF

__all__ = ["ACF", "DMF", "GMF", "NNMF", "LightGCN", "MultDAE", "MultVAE", "NeuMF", "PairMLP"]
