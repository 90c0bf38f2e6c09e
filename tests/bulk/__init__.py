"""Tests of segops.bulk."""
