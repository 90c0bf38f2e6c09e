"""Tests of segops.cli."""
