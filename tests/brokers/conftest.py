"""A Redis for the tests of brokers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.rig.redis_server import PROGRAM, RedisServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Redis for all tests that do it no harm."""
    if PROGRAM is None:
        pytest.skip("redis-server is missing: `make redis` installs it where it may")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def stream() -> str:
    """Return a name that no other test uses."""
    return f"test-{next(_numbers)}"
