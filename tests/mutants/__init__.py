"""Tests of the project: mutants."""
