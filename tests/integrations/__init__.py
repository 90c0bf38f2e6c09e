"""Tests of the project: integrations."""
