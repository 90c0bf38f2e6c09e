"""Fixtures for tests of the spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.harness import MakeRig, Responder, Rig, build


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Return where a spool may be."""
    return tmp_path / "spool.db"


@pytest.fixture
def make(spool: Path) -> Iterator[MakeRig]:
    """Make rigs that share a spool, and close their clients at the end."""
    made: list[Rig] = []

    def factory(responder: Responder = lambda _: 202, **options: Any) -> Rig:
        made.append(build(responder, **{"spool": spool, **options}))
        return made[-1]

    yield factory
    for rig in made:
        rig.client.shutdown(0)
