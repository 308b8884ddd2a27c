"""What torch imports at its first export takes seconds: the server that processes are forked from has it done here."""

import tests.train.killed_shop_training  # noqa: F401  # with all that a training imports
from aisle.train import shop_ranker  # noqa: F401
from aisle.train.export import export_graph
from tests.rankers import make_logistic_regression

export_graph(make_logistic_regression())
