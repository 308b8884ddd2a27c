"""What torch imports at its first export takes seconds: the server that processes are forked from has it done here."""

import tests.train.killed_shop_training  # noqa: F401  # with all that a training imports
from aisle.train.export import export_graph
from aisle.train.shop import rankers  # noqa: F401
from tests.rankers import make_logistic_regression

export_graph(make_logistic_regression())
