"""docs/constrained.md: no threads, little memory, and a file as the transport, in processes with real limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import feed
from segops.emulator import LocalSegOps, LocalServer

ROOT = Path(__file__).parent.parent
EVENTS = 100_000
BYTECODE = "PYTHONPYCACHEPREFIX"
BARE = """
import msgspec, pluggy
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmPeak")))
"""
HEAD = """
import os, resource, sys, threading
from segops import Limits, RetryPolicy, SegOpsClient
def allow_files_of(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def make(where, **options):
    limits = Limits(max_events=1000, max_bytes=256 * 1024, max_event_bytes=2048, batch_events=100)
    return SegOpsClient(where, worker="inline", batch_size=100, limits=limits, **options)
def track(client, numbers):
    for number in numbers:
        client.track(user_id=f"u-{number}", event_type="x")
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks are those of Linux")
code = pytest.mark.parametrize(
    "code",
    [
        "pure",
        pytest.param("native", marks=pytest.mark.skipif(not find_spec("segops.delivery._speedups"), reason="no gcc")),
    ],
)


class Fed(msgspec.Struct):
    """What `bench/feed.py` prints."""

    peaks: dict[str, int]
    most: int
    stats: dict[str, Any]
    modules: set[str]
    seen: list[str]


def run(*arguments: str, folder: Path, **variables: str) -> str:
    # Not measured: coverage itself loads half of the standard library.
    left_out = ("SEGOPS_", "COVERAGE", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if name == BYTECODE or not name.startswith(left_out)}
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have modules compiled beforehand, or the compiler's memory would be measured, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BYTECODE, str(tmp_path_factory.mktemp("bytecode")))
        run(feed.__file__, "small", "pure", "e", "1", folder=tmp_path_factory.mktemp("file"))
        yield


def feed_file(folder: Path, *words: str, file: str = "e", limit: int = 0) -> Fed:
    arguments = [*words, file, str(EVENTS), *([str(limit)] if limit else [])]
    return msgspec.json.decode(run(feed.__file__, *arguments, folder=folder), type=Fed)


def users(path: Path) -> list[str]:
    return [msgspec.json.decode(line)["user_id"] for line in path.read_bytes().splitlines()]


def balance(stats: dict[str, Any]) -> int:
    return int(stats["delivered"] + sum(stats["dropped"].values()) + stats["pending"])


@code
def test_all_events_reach_the_file_within_little_more_than_python_needs(code: str, tmp_path: Path) -> None:
    """An eighth more address space than msgspec and pluggy take; `python -m bench.smallest` finds the least."""
    fed = feed_file(tmp_path, "small", code, limit=int(run("-c", BARE, folder=tmp_path)) * 9 // 8)
    assert (fed.stats["delivered"], balance(fed.stats), fed.stats["dropped"]) == (EVENTS, EVENTS, {})
    orders = [msgspec.json.decode(line)["payload"]["order_id"] for line in (tmp_path / "e").read_bytes().splitlines()]
    assert orders == [f"ord-{number}" for number in range(EVENTS)]
    assert 0 < fed.most <= feed.SMALL["max_bytes"]
    assert ("segops.delivery._speedups" in fed.modules) == (code == "native")


@code
def test_the_sdk_takes_half_the_memory_of_its_dependencies(code: str, tmp_path: Path) -> None:
    """It is 0.40 of it on CPython 3.11, and a quarter more a regression; 100,000 events take less than the client."""
    peaks = feed_file(tmp_path, "small", code).peaks
    ours, theirs = peaks["events"] - peaks["dependencies"], peaks["dependencies"] - peaks["python"]
    assert ours < 0.5 * theirs
    assert peaks["events"] - peaks["client"] < peaks["client"] - peaks["dependencies"]


def test_no_thread_no_process_no_socket_and_nothing_that_is_not_needed(tmp_path: Path) -> None:
    fed = feed_file(tmp_path, "small", "native")
    assert fed.seen == [f"open {tmp_path / 'e'}"], "nor /proc, nor any other file written"
    heavy = {"asyncio", "email", "importlib.metadata", "logging", "socket", "sqlite3", "ssl", "structlog", "urllib3"}
    assert fed.modules & heavy == set()
    assert "segops.transports.ndjson" in fed.modules


def test_small_bounds_bound_the_memory_of_events_that_cannot_be_written(tmp_path: Path) -> None:
    small, default = (feed_file(tmp_path, bounds, "native", file="none/e") for bounds in ("small", "default"))
    grown = [fed.peaks["events"] - fed.peaks["beginning"] for fed in (small, default)]
    assert 10 * grown[0] < grown[1]
    assert small.stats["dropped"] == {"queue_full": EVENTS - 1000, "undeliverable": 1000}
    assert (balance(small.stats), balance(default.stats)) == (EVENTS, EVENTS)


def test_a_burst_while_the_disk_is_full_is_bounded_counted_and_written_later(tmp_path: Path) -> None:
    program = """
errors = []
client = make("file:e", retry=RetryPolicy(base=0.01, cap=0.01, floor=1e9), on_error=errors.append)
track(client, range(100))
allow_files_of(os.stat("e").st_size + 1000)  # a batch takes more
track(client, range(100, 3000))
full = client.stats()
assert (full.delivered, full.pending, full.dropped) == (100, 1000, {"queue_full": 1900}), full
allow_files_of(resource.RLIM_INFINITY)
assert not client.flush(60), "it tells of the loss, once"
assert client.flush(60)
stats = client.stats()
assert (stats.accepted, stats.delivered, stats.pending) == (3000, 1100, 0), stats
assert {type(error).__name__ for error in errors} == {"SegOpsTransportError", "SegOpsEventError"}, errors
"""
    run("-c", HEAD + program, folder=tmp_path)
    assert users(tmp_path / "e") == [f"u-{number}" for number in range(1100)], "none twice, none torn"


@pytest.mark.parametrize(("ending", "written"), [("", 250), ("os._exit(0)", 200)], ids=["exit", "killed"])
def test_an_exit_without_shutdown_writes_what_waits_and_a_kill_loses_less_than_a_batch(
    ending: str, written: int, tmp_path: Path
) -> None:
    run("-c", f"{HEAD}\nclient = make('file:e')\ntrack(client, range(250))\n{ending}", folder=tmp_path)
    assert users(tmp_path / "e") == [f"u-{number}" for number in range(written)]


def test_it_works_where_no_thread_can_be_started_and_where_one_was_asked_for(tmp_path: Path) -> None:
    program = """
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
threading.stack_size(2**32 - 2**16)  # more than there is: the system itself refuses the thread
try:
    threading.Thread(target=print).start()
except RuntimeError:
    errors = []
    with make("file:inline", on_error=errors.append) as client:
        track(client, range(250))
    assert errors == []
    with SegOpsClient("file:thread", on_error=errors.append) as client:
        track(client, range(250))
    print(*errors)
"""
    said = run("-c", HEAD + program, folder=tmp_path)
    assert said.startswith("could not start a thread")
    assert len(users(tmp_path / "inline")) == len(users(tmp_path / "thread")) == 250


def test_where_no_file_can_be_written_events_go_through_a_pipe(tmp_path: Path) -> None:
    program = """
allow_files_of(0)
with make("stdout:") as client:
    track(client, range(250))
assert client.stats().delivered == 250
"""
    (tmp_path / "piped").write_text(run("-c", HEAD + program, folder=tmp_path))
    assert users(tmp_path / "piped") == [f"u-{number}" for number in range(250)]


def test_the_file_is_sent_to_segops_later_from_another_machine(tmp_path: Path) -> None:
    run("-c", f"{HEAD}\nwith make('file:e') as client:\n    track(client, range(1234))", folder=tmp_path)
    lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in (tmp_path / "e").read_bytes().splitlines()]
    with LocalSegOps() as segops, LocalServer(segops) as server:
        there = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": segops.secret_key}
        assert '"delivered": 1234' in run("-m", "segops", "send", "e", folder=tmp_path, **there)
        stored = sorted((event.user_id, event.occurred_at) for event in segops.events())
    tracked = [(line["user_id"], line["occurred_at"]) for line in lines]
    assert stored == sorted(tracked), "each at the time at which it happened"
