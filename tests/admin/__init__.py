"""Tests of segops.admin."""
