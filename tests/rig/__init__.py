"""Machinery of the tests: servers that misbehave on purpose, on real sockets."""
