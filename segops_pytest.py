"""The pytest plugin: a guard that keeps tests away from a real SegOps, and fixtures. docs/testing.md is the guide.

It is a module of its own and imports nothing of segops until a fixture is used, so that test runs without segops load
only this file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from segops import SegOpsClient
    from segops.testing import FakeClock, RunningSegOps, TrackedEvents

_GUARD = "SEGOPS_GUARD"
_REPORT = "SEGOPS_GUARD_REPORT"
_MODES = ("block", "warn", "off")
_HELP = "what happens if a test makes a SegOps client or sends a request beyond this machine (default: warn)"
_MARKER = "segops_live: this test may use a real SegOps; the segops guard is off while it runs"
_SHOWN = 20

_own_report = pytest.StashKey[Path]()

guard: dict[str, str] = {}
"""The environment variables of the guard, for tests that clear the environment."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini setting of the guard."""
    parser.getgroup("segops").addoption("--segops-guard", choices=_MODES, help=_HELP)
    parser.addini("segops_guard", f"block, warn or off: {_HELP}", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Turn the guard on before any file of the tests is imported.

    Without an option or ini setting, a run inside another one, such as a worker of xdist, does as that one does.
    """
    before = os.environ.get(_GUARD)
    mode = early_config.known_args_namespace.segops_guard or early_config.getini("segops_guard") or before or "warn"
    if mode not in _MODES:
        raise pytest.UsageError(f"segops_guard must be block, warn or off, got {mode!r}")
    _set(_GUARD, mode)
    # Otherwise the guard stays on after the run, because clients may send at the exit of the interpreter.
    if before:
        early_config.add_cleanup(lambda: _set(_GUARD, before))
    if mode != "off" and _REPORT not in os.environ:
        file, path = tempfile.mkstemp(prefix="segops-guard-")
        os.close(file)
        _set(_REPORT, path)
        early_config.stash[_own_report] = Path(path)
        early_config.add_cleanup(lambda: _remove_report(path))


def _set(name: str, value: str) -> None:
    guard[name] = os.environ[name] = value


def _remove_report(path: str) -> None:
    del guard[_REPORT]
    os.environ.pop(_REPORT, None)
    Path(path).unlink(missing_ok=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Turn the guard off while a test with the marker runs."""
    mode = guard.get(_GUARD)
    if mode is None or item.get_closest_marker("segops_live") is None:
        return (yield)
    _set(_GUARD, "off")
    try:
        return (yield)
    finally:
        _set(_GUARD, mode)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the guard saw, in all processes of the run."""
    report = config.stash.get(_own_report, None)
    lines = sorted({*report.read_text("utf-8").splitlines()}) if report else []
    if not lines:
        return
    terminalreporter.section("segops guard", yellow=True)
    for line in lines[:_SHOWN]:
        terminalreporter.write_line(line)
    if len(lines) > _SHOWN:
        terminalreporter.write_line(f"… and {len(lines) - _SHOWN} more")
    terminalreporter.write_line(
        "Use the fixture segops, set SEGOPS_API_URL=memory:, or mark the tests with segops_live. "
        "segops_guard = off turns this off."
    )


@pytest.fixture
def segops_clock() -> FakeClock:
    """Return the clock of the client, which moves only when the test moves it."""
    from segops.testing import FakeClock  # noqa: PLC0415 - only if used, as below

    return FakeClock()


@pytest.fixture
def segops(segops_clock: FakeClock) -> Iterator[SegOpsClient]:
    """Yield a strict client that keeps its events in memory."""
    from segops.testing import make_client  # noqa: PLC0415

    with make_client(clock=segops_clock) as client:
        yield client


@pytest.fixture
def segops_events(segops: SegOpsClient) -> TrackedEvents:
    """Return the events that the client of the fixture `segops` has sent during the test, with assertions."""
    from segops.testing import TrackedEvents  # noqa: PLC0415

    return TrackedEvents(segops)


@pytest.fixture
def segops_faults(segops: SegOpsClient) -> Callable[..., None]:
    """Return a function that scripts the next responses to the client: statuses, responses, or exceptions."""
    from segops.testing import memory_transport  # noqa: PLC0415

    return memory_transport(segops).respond_with


@pytest.fixture
def segops_local() -> Iterator[RunningSegOps]:
    """Yield a local SegOps that is served over HTTP."""
    from segops.testing import RunningSegOps  # noqa: PLC0415

    with RunningSegOps() as segops:
        yield segops
