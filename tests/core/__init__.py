"""Tests of segops.core."""
