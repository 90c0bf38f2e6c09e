"""The cost of iterating over a long list, compared to the vendor's admin package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.conftest import unpack
from bench.processes import HERE, OURS, python
from bench.report import Bench, Goal

VENDOR = "segops_admin==0.2.2"
ITEMS = 100_000


@pytest.fixture(scope="module")
def vendor_admin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("vendor_admin"), VENDOR)


def test_a_list_of_100_000(bench: Bench, vendor_admin: Path) -> None:
    command = [sys.executable, "-m", "bench.shelf", str(ITEMS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shelf:
        assert shelf.stdout is not None
        url = shelf.stdout.readline().strip()

        def rate(package: str, folder: Path) -> float:
            return ITEMS / float(python(str(HERE / "walk.py"), package, url, str(ITEMS), package=folder))

        pairs = bench.alternate(lambda: rate("segops", OURS), lambda: rate("segops_admin", vendor_admin), 11)
        shelf.communicate()
    bench.row("items of a list, over HTTP", pairs, unit="/s", against="vendor", goal=Goal("≥", 1.3))
