"""Studies: measurements of models and of the engine that trains them."""
