"""A `segops dev` in this process, one in a process of its own, and a Chromium."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segops import SegOpsClient
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from tests.devserver.browser import NAMES, Browser, Page, find_chromium
from tests.devserver.dev_rig import SEGOPS, DevProcess, make_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def local() -> Iterator[LocalSegOps]:
    with LocalSegOps() as local:
        yield local


@pytest.fixture
def server(local: LocalSegOps) -> Iterator[DevServer]:
    with DevServer(local) as server:
        yield server


@pytest.fixture
def url(server: DevServer) -> str:
    return server.info.url


@pytest.fixture
def client(server: DevServer) -> Iterator[SegOpsClient]:
    with SegOpsClient(server.info.url, server.info.secret_key) as client:
        yield client


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return make_environment(tmp_path / "run")


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def run_segops(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*SEGOPS, "dev", *words],
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    return run_segops


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator[DevProcess]:
    with DevProcess(environment) as process:
        yield process


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        reason = f"no Chromium on the path (looked for {', '.join(NAMES)})"
        assert os.environ.get("SEGOPS_TEST_BROWSER") != "required", reason
        pytest.skip(reason)
    with Browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with browser.open(f"{url}/") as page:
        page.wait("document.querySelector('#live').textContent === 'live'")
        yield page
        assert page.complaints() == []
