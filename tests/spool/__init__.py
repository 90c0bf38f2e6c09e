"""Tests of the project: spool."""
