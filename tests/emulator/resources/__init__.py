"""Tests of the project: local/resources."""
