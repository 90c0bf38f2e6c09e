"""Tests of segops.demo."""
