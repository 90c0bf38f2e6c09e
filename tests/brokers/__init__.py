"""Tests of the project: brokers."""
