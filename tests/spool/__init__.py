"""Tests of segops.spool."""
