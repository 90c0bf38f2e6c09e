"""Tests of segops.plugins."""
