"""Tests of the project: network."""
