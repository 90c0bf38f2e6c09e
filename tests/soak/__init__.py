"""Tests of the project: soak."""
