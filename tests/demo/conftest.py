"""Fixtures of the command line's tests."""

from tests.cli.conftest import ask, environment, run, server, site

__all__ = ["ask", "environment", "run", "server", "site"]
