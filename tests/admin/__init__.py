"""Tests of the project: admin."""
