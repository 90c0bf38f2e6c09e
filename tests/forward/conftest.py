"""The program, for the tests of `segops forward`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.forwarding import Segops


@pytest.fixture(scope="session")
def segops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segops]:
    """Run the program."""
    with Segops(tmp_path_factory.mktemp("segops")) as segops:
        yield segops
