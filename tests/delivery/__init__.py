"""Tests of segops.delivery."""
