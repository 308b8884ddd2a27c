"""Fits pipelines and models."""
