"""Training on several ranks: the only room that knows TorchRec."""
