"""Tests of the project: plugins."""
