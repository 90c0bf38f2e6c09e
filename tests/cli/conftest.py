"""The program run in a process of its own, and a SegOps for it to send to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from segops.emulator import LocalSegOps, LocalServer
from tests.cli.cli_rig import SEGOPS, PluginSite, Run, make_environment


@pytest.fixture
def site(tmp_path: Path) -> PluginSite:
    directory = tmp_path / "site"
    directory.mkdir()
    return PluginSite(directory)


@pytest.fixture
def environment(site: PluginSite) -> dict[str, str]:
    path = [str(site.directory), *filter(None, [os.environ.get("PYTHONPATH")])]
    return make_environment(PYTHONPATH=os.pathsep.join(path))


@pytest.fixture
def run(environment: Mapping[str, str]) -> Run:
    def run_segops(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*SEGOPS, *words], env={**environment, **more}, capture_output=True, text=True, timeout=200, check=False
        )
        assert "Traceback" not in done.stderr
        return done

    return run_segops


@pytest.fixture
def local() -> Iterator[LocalSegOps]:
    with LocalSegOps() as local:
        yield local


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
