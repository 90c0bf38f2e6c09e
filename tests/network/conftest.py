"""Rigs for the tests of the network: the fault server, and clients that retry quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.network.network_rig import Desk


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    """Make desks, and close their clients without another attempt at the end."""
    made: list[Desk] = []

    def factory(where: Any, **options: Any) -> Desk:
        made.append(Desk(where, **options))
        return made[-1]

    yield factory
    for each in made:
        each.client.shutdown(0)
