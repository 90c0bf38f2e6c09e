"""Fixtures that several packages of tests use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from segops.emulator import LocalSegOps
from segops.transports.http import HttpTransport
from tests.rig.harness import MakeRig, Responder, Rig, build
from tests.rig.tls import TLS

if TYPE_CHECKING:
    from tests.rig.redis_server import RedisServer

_streams = itertools.count()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Redis for all tests that do it no harm."""
    from tests.rig.redis_server import PROGRAM, RedisServer  # noqa: PLC0415 - loads redis-py

    if PROGRAM is None:
        pytest.skip("redis-server is missing: `make redis` installs it where it may")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def stream() -> str:
    """Return a name of a stream or topic that no other test uses."""
    return f"test-{next(_streams)}"


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
