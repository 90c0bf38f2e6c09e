"""Tests of the project: fuzz."""
