"""Fixtures of the HTTP tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from segops.transports.http import HttpTransport
from tests.rig.tls import TLS


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
