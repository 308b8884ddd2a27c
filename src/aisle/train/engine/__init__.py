"""The training engine: batches, optimizers, the loop, checkpoints."""
