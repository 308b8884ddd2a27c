"""What recipes may say of models over lists of items, one file per family."""
