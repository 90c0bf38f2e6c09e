"""Helpers for tests: scripted servers on real sockets, programs, and a client with a fake clock."""
