"""Tests of the project: forward."""
