"""Fixtures of the command line's tests."""

from tests.cli.conftest import ask, environment, local, run, server, site

__all__ = ["ask", "environment", "local", "run", "server", "site"]
