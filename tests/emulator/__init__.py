"""Tests of the project: local."""
