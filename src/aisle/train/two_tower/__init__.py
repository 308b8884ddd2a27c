"""Fits the two-tower model on a snapshot."""
