"""Tests of the project: Redis Streams."""
