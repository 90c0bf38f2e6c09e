"""Tests of segops.transports.http."""
