"""Rigs for the tests of the ingestion core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.core.harness import Answerer, MakeRig, Rig, build


@pytest.fixture
def make() -> Iterator[MakeRig]:
    """Make rigs, and close their clients without another attempt at the end."""
    made: list[Rig] = []

    def factory(answerer: Answerer = lambda _: 202, **options: Any) -> Rig:
        made.append(build(answerer, **options))
        return made[-1]

    yield factory
    for rig in made:
        rig.client.shutdown(0)
