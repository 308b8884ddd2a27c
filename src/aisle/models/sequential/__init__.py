"""Models of the next item of a sequence: one paper, one file."""
