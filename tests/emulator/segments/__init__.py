"""Tests of the project: local/segments."""
