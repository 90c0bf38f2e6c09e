"""Tests of segops.composition."""
