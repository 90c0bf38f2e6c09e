"""Fixtures that several packages of tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from segops.emulator import LocalSegOps
from segops.transports.http import HttpTransport
from tests.rig.harness import MakeRig, Responder, Rig, build
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


@pytest.fixture
def make() -> Iterator[MakeRig]:
    """Make rigs, and close their clients without another attempt at the end."""
    made: list[Rig] = []

    def factory(responder: Responder = lambda _: 202, **options: Any) -> Rig:
        made.append(build(responder, **options))
        return made[-1]

    yield factory
    for rig in made:
        rig.client.shutdown(0)


@pytest.fixture
def local() -> Iterator[LocalSegOps]:
    with LocalSegOps() as local:
        yield local
