"""Fixtures for tests of the admin SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from segops import SegOpsAdmin
from segops.emulator import LocalSegOps, LocalServer, LocalTransport


@pytest.fixture
def local() -> LocalSegOps:
    return LocalSegOps()


@pytest.fixture(params=["in process", "over HTTP"])
def admin(request: pytest.FixtureRequest, local: LocalSegOps) -> Iterator[SegOpsAdmin]:
    """Two ways to one local SegOps: what holds for one holds for the other."""
    if request.param == "in process":
        with SegOpsAdmin(transport=LocalTransport(local)) as made:
            yield made
    else:
        with LocalServer(local) as server, SegOpsAdmin(local.secret_key, base_url=f"{server.url}/api") as made:
            yield made
