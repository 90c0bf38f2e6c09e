"""Hypothesis against requests and responses."""
