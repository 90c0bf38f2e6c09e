"""The vendor's packages, and a `segops dev` for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.programs import OURS, Program, install_vendor
from tests.compat.vendor_desk import DevService


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return install_vendor(tmp_path_factory.mktemp("vendor"))


@pytest.fixture(scope="session")
def ours() -> Program:
    return OURS


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevService]:
    with DevService(tmp_path_factory.mktemp("dev")) as service:
        yield service
