"""Protocols, baselines and reports."""
