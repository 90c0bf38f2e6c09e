"""Tests of the project: compat."""
