"""Tests of the project: core."""
