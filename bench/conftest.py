"""Fixtures of the benchmarks: the table, the sink, the vendor's package, and clients that send to the sink."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.environments import PIP, make_environment, make_our_environment
from bench.processes import python
from bench.report import Bench, Row, table
from segops import SegOpsClient

VENDOR = "segops==0.2.2"

MakeClient = Callable[..., SegOpsClient]

_rows = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--largest", type=int, default=100_000, help="how many events the local SegOps grows to")


def pytest_configure(config: pytest.Config) -> None:
    rows: list[Row] = []
    config.stash[_rows] = rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("benchmarks")
    rows = terminalreporter.config.stash[_rows]
    terminalreporter.write_line(table(rows))


@pytest.fixture
def bench(benchmark: BenchmarkFixture, pytestconfig: pytest.Config) -> Bench:
    return Bench(benchmark, pytestconfig.stash[_rows])


def start_sink(stack: ExitStack, mode: str) -> str:
    """Start a server in its own process, so that its work is not measured; return its URL."""
    command = [sys.executable, "-m", "bench.sink", mode]
    sink = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    assert sink.stdout is not None
    return sink.stdout.readline().strip()


@pytest.fixture(scope="session")
def sink() -> Iterator[str]:
    with ExitStack() as stack:
        yield start_sink(stack, "healthy")


@pytest.fixture(scope="session")
def black_hole() -> Iterator[str]:
    with ExitStack() as stack:
        yield start_sink(stack, "black-hole")


def unpack(folder: Path, requirement: str) -> Path:
    """Install a package without its dependencies into a folder; skip the test without a package index."""
    command = [*PIP, "install", "--no-deps", "--target", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{requirement} cannot be installed from the package index")
    return folder


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the vendor's package, which has the same import name as this one."""
    folder = unpack(tmp_path_factory.mktemp("vendor"), VENDOR)
    python("-c", "import segops; assert not hasattr(segops, 'Limits')", package=folder)
    return folder


@pytest.fixture(scope="session")
def our_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with this checkout and its runtime dependencies."""
    try:
        return make_our_environment(tmp_path_factory.mktemp("ours"))
    except subprocess.CalledProcessError:
        pytest.skip("the dependencies of the SDK cannot be installed from the package index")


@pytest.fixture(scope="session")
def vendor_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the vendor's package and its dependencies."""
    try:
        return make_environment(tmp_path_factory.mktemp("theirs"), VENDOR)
    except subprocess.CalledProcessError:
        pytest.skip(f"{VENDOR} cannot be installed from the package index")


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    with ExitStack() as stack:

        def make(url: str, **options: Any) -> SegOpsClient:
            client = SegOpsClient(url, "sk_bench", **options)
            stack.callback(client.shutdown)
            return client

        yield make
