"""Fixtures of the HTTP tests: name this module in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rig.tls import TLS
from segops.transports.http import HttpTransport


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    """Make an authority, once."""
    return TLS(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def closing() -> Iterator[Callable[[HttpTransport], HttpTransport]]:
    """Close the transports that it is handed when the test is over."""
    made: list[HttpTransport] = []

    def keep(transport: HttpTransport) -> HttpTransport:
        made.append(transport)
        return transport

    yield keep
    for transport in made:
        transport.close()
