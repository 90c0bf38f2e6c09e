"""Tests of segops.devserver."""
