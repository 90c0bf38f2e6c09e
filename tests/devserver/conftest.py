"""A `segops dev` in this process, one in a process of its own, and a Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from segops import SegOpsClient
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from tests.devserver.browser import NAMES, Browser, Page, find_chromium
from tests.rig.programs import DevProcess, Run, alone, make_run


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
    return alone(tmp_path / "run")


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    return make_run(environment, "dev")


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
