"""Tests of segops.transports."""
