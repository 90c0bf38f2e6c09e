"""Fixtures for tests of the command line: the program in its own process, and a local SegOps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from segops.emulator import LocalSegOps, LocalServer
from tests.rig.plugins import SitePackages
from tests.rig.programs import Run, importing, make_run, unconfigured


@pytest.fixture
def site(tmp_path: Path) -> SitePackages:
    directory = tmp_path / "site"
    directory.mkdir()
    return SitePackages(directory)


@pytest.fixture
def environment(site: SitePackages) -> dict[str, str]:
    return {**unconfigured(), **importing(site.folder)}


@pytest.fixture
def run(environment: Mapping[str, str]) -> Run:
    return make_run(environment)


@pytest.fixture
def server(local: LocalSegOps) -> Iterator[LocalServer]:
    with LocalServer(local) as server:
        yield server


@pytest.fixture
def ask(run: Run, local: LocalSegOps, server: LocalServer) -> Run:
    """Run the program against the SegOps of this test."""

    def run_segops(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run(*words, **{"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key, **more})

    return run_segops
