"""Tests of the project: dev."""
