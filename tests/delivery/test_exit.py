"""The end of a process and its children, signals and destructors: reliability table, rows 22, 25 to 28, 44, 45 and 51.

Each test runs real processes, with a hard limit. `SEGOPS_TEST_PYTHONS` may name more interpreters, separated by ":".
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from functools import cache
from pathlib import Path

import msgspec
import pytest

from tests.rig.fault_server import FaultServer, hold, stall
from tests.rig.programs import unconfigured, unmeasured

ROOT = Path(__file__).parents[2]
LIMIT = 100.0
HEADER = """
import os, signal, sys, threading, time
from segops import SegOpsClient, Limits
client = SegOpsClient(sys.argv[1], "sk_test_exit", timeout=60.0)  # the exit does not wait for it
def track(name, **payload):
    client.track(user_id=name, event_type="x", payload=payload)
"""
ENDINGS = {
    "return": "",
    "exception": "raise ZeroDivisionError('on purpose')",
    "sys.exit": "sys.exit(5)",
    "in a function": "def main():\n    local = SegOpsClient(sys.argv[1], 'sk_test_exit')\n    raise SystemExit\nmain()",
}


@cache
def interpreters() -> list[str]:
    """Return this interpreter and those others on the path that can run the SDK."""
    named = os.environ.get("SEGOPS_TEST_PYTHONS", "").split(":")
    on_path = [shutil.which(f"python3.{minor}") or "" for minor in range(10, 15) if minor != sys.version_info.minor]
    probe = "import msgspec, pluggy, structlog, urllib3"
    others = [python for python in [*named, *on_path] if python and _runs(python, probe)]
    return [sys.executable, *others]


def _runs(python: str, code: str) -> bool:
    try:
        return subprocess.run([python, "-c", code], capture_output=True, timeout=LIMIT, check=False).returncode == 0
    except OSError:
        return False


def run(code: str, *args: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run a program that has a client, which sends to the first of `args`."""
    environment = unconfigured(unmeasured())
    return subprocess.run(
        [python, "-c", HEADER + textwrap.dedent(code), *args],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )


def stored(server: FaultServer) -> list[str]:
    """Return the user ids that reached the server."""
    bodies = [msgspec.json.decode(received.body) for received in server.journal]
    return [event["user_id"] for body in bodies for event in body["events"]]


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_plain_exit_delivers(python: str, ending: str) -> None:
    """Row 22."""
    with FaultServer() as server:
        done = run(f"track('a')\ntrack('b')\n{ending}", server.url, python=python)
        assert stored(server) == ["a", "b"]
    assert done.stdout == ""
    assert "segops" not in done.stderr or "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("python", interpreters())
def test_the_first_event_inside_atexit_is_delivered(python: str) -> None:
    """Row 25: some versions refuse to start a thread there."""
    with FaultServer() as server:
        run("import atexit\natexit.register(lambda: track('late'))", server.url, python=python)
        assert stored(server) == ["late"]


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize("fault", [stall, hold])
def test_a_black_hole_delays_the_exit_by_a_bounded_time(python: str, fault: type) -> None:
    """Row 22."""
    with FaultServer(*[fault()] * 5) as server:
        started = time.monotonic()
        run("print('started'); os._exit(0)", server.url, python=python)
        cost_of_a_process = time.monotonic() - started
        started = time.monotonic()
        done = run("track('a')\nclient.flush(0.1)", server.url, python=python)
        assert time.monotonic() - started - cost_of_a_process < 2.0 + 18.0, "the timeout of a request is 60 s"
    assert done.returncode == 0


def test_several_clients_share_the_time_of_the_exit() -> None:
    with FaultServer(*[stall()] * 40) as server:
        started = time.monotonic()
        run(
            "more = [SegOpsClient(sys.argv[1], 'sk_test', limits=Limits(exit=1.0)) for _ in range(24)]\n"
            "for each in more: each.track(user_id='a', event_type='x')",
            server.url,
        )
        assert time.monotonic() - started < 18.0, "one after the other would take 24 s"


def test_one_client_that_fails_at_exit_does_not_take_the_others_with_it() -> None:
    with FaultServer() as server:
        done = run(
            """
            from segops.core import Response, Transport
            class Broken(Transport):
                url = "https://api.example.org"
                def send(self, request, *, timeout): return Response(202)
                def close(self): raise OSError("broken on purpose")
            broken = [SegOpsClient(api_key="sk_test", transport=Broken()) for _ in range(8)]
            for each in broken: each.track(user_id="a", event_type="x")
            track("a")
            """,
            server.url,
        )
        assert stored(server) == ["a"], done.stderr


def test_a_fork_in_the_middle_of_everything() -> None:
    """Row 28: the child begins with an empty queue and delivers its own events; the parent is not disturbed."""
    code = """
    stop = threading.Event()
    tracked = [0] * 4
    def hammer(number):
        while not stop.is_set():
            track(f"parent-{number}")
            tracked[number] += 1
            client.stats()
            time.sleep(0.0005)
    threads = [threading.Thread(target=hammer, args=(number,), daemon=True) for number in range(4)]
    for thread in threads: thread.start()
    children = []
    for number in range(25):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            empty = client.stats().accepted == 0
            track(f"child-{number}")
            track(f"child-{number}")
            ok = client.flush(50) and client.stats().delivered == 2
            os._exit(0 if empty and ok else 1)
        children.append(pid)
        time.sleep(0.01)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    stop.set()
    for thread in threads: thread.join(20)
    flushed = client.flush(50)
    print(codes.count(0), flushed, client.stats().accepted == client.stats().delivered == sum(tracked), sum(tracked))
    """
    with FaultServer() as server:
        done = run(code, server.url)
        children, flushed, balanced, tracked = done.stdout.split()
        arrived = stored(server)
    assert (children, flushed, balanced) == ("25", "True", "True"), done.stderr
    assert sorted(name for name in arrived if name.startswith("child")) == sorted(
        f"child-{number}" for number in range(25) for _ in range(2)
    )
    assert sum(name.startswith("parent") for name in arrived) == int(tracked), "nothing twice, nothing lost"


def test_a_multiprocessing_child_of_a_closed_client_is_left_alone() -> None:
    with FaultServer() as server:
        done = run(
            """
            track("a"); client.shutdown()
            pid = os.fork()
            if pid == 0:
                signal.alarm(60); track("b"); print(client.stats().dropped["closed"]); sys.stdout.flush(); os._exit(0)
            os.waitpid(pid, 0)
            """,
            server.url,
        )
        assert stored(server) == ["a"]
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_track_in_a_signal_handler(worker: str) -> None:
    """Row 44: at random instants, in the middle of `track`, `stats` and `flush` of the same thread."""
    code = f"""
    import random
    random.seed(1)
    client = SegOpsClient(sys.argv[1], "sk_test", worker={worker!r}, batch_size=3, flush_interval=0.01)
    handled = [0]
    def handler(*_):
        handled[0] += 1
        track("signal")
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1.5e-3))
    signal.signal(signal.SIGALRM, handler)
    import faulthandler; faulthandler.dump_traceback_later(80, exit=True)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    mine = 0
    while handled[0] < 1500:
        track("main"); track("")
        mine += 2
        client.stats()
        if mine % 200 == 0:
            client.flush(30)
            client.reset_session()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    client.shutdown(60)
    stats = client.stats()
    in_reports = stats.dropped.get("plugin", 0)  # inline: a handler may come in the middle of a report
    print(stats.accepted == mine + handled[0], stats.pending, stats.dropped["invalid"] == mine // 2, in_reports)
    print(stats.accepted - stats.delivered == mine // 2 + in_reports)
    """
    with FaultServer() as server:
        done = run(code, server.url)
    balanced, pending, invalid, in_reports, delivered = done.stdout.split() or [done.stderr[-2000:]] * 5
    assert (balanced, pending, invalid, delivered) == ("True", "0", "True", "True")
    assert worker == "inline" or in_reports == "0"


@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_track_in_a_destructor(worker: str) -> None:
    """Row 45: garbage is collected in the middle of anything, also on the worker's thread."""
    code = f"""
    import gc
    import faulthandler; faulthandler.dump_traceback_later(80, exit=True)
    client = SegOpsClient(sys.argv[1], "sk_test", worker={worker!r}, batch_size=3, flush_interval=0.01)
    died = [0]
    class Dying:
        def __init__(self): self.me = self
        def __del__(self):
            died[0] += 1
            track("dying")
    gc.set_threshold(7, 2, 2)
    for number in range(1500):
        Dying()
        track("main", n=[number], m={{"k": [number]}})
        client.stats()
        if number % 100 == 0: client.flush(30)
    gc.collect()
    gc.set_threshold(0)
    client.shutdown(60)
    stats = client.stats()
    print(stats.accepted == 1500 + died[0], stats.pending, died[0] > 1000, stats.delivered == stats.accepted)
    """
    with FaultServer() as server:
        done = run(code, server.url)
    assert done.stdout.split() == ["True", "0", "True", "True"], done.stderr[-2000:]


@pytest.mark.parametrize("key", ["sk_test", "pk_test"])
def test_a_burst_of_a_million_events_stays_within_its_bound(key: str) -> None:
    """Row 51: against a server that answers nothing, the memory stays below the bound of bytes and 16 MiB."""
    code = """
    numbers = iter(range(10**9))
    user = lambda: {"user_id": f"user-{next(numbers)}"}
    client = SegOpsClient(sys.argv[1], "KEY", timeout=60.0, get_user=user)
    def resident():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    track(""); track("warm"); client.flush(0.5)  # loads what is loaded late
    before = resident()
    payload = {"order_id": "o" * 20, "total": 12.5, "quantity": 3}
    for number in range(1_000_000):
        client.track(user_id="u", event_type="order_placed", payload=payload)
    stats = client.stats()
    print(resident() - before, stats.accepted, stats.pending, stats.dropped["queue_full"])
    sys.stdout.flush(); os._exit(0)
    """
    with FaultServer(*[stall()] * 50) as server:
        done = run(code.replace("KEY", key), server.url)
    growth, accepted, pending, dropped = map(int, done.stdout.split())
    assert accepted == 1_000_002 == pending + dropped + 1
    assert pending > 60_000, "the bound is used"
    assert growth <= (32 + 16) * 2**20, f"{growth / 2**20:.0f} MiB"


def test_no_thread_of_ours_keeps_the_process_alive() -> None:
    """Row 26."""
    with FaultServer(*[stall()] * 5) as server:
        started = time.monotonic()
        done = run("track('a'); client.flush(0.05); client.shutdown(0.05); print('end')", server.url)
        assert time.monotonic() - started < 20.0, "the timeout of a request is 60 s"
    assert done.stdout.split() == ["end"]


def test_nothing_is_printed_unless_the_application_logs() -> None:
    with FaultServer() as server:
        done = run("track(''); client.flush()", server.url)
    assert done.stdout == ""
    assert "user_id must be a non-empty string" in done.stderr, "the last resort of logging"


def test_a_configured_structlog_gets_the_lines() -> None:
    with FaultServer() as server:
        done = run(
            """
            import structlog
            lines = []
            def collect(_, method, fields):
                lines.append((method, fields["event"], fields["reason"], fields["count"])); raise structlog.DropEvent
            structlog.configure(processors=[collect])
            track(''); track(''); client.flush(); print(lines)
            """,
            server.url,
        )
    assert done.stdout.strip() == "[('warning', 'segops.delivery.drop', 'invalid', 1)]"
    assert done.stderr == ""


def test_a_secret_key_in_a_browser_is_warned_of() -> None:
    """Row 70."""
    for key, warned in (("sk_test_browser", True), ("pk_test_browser", False)):
        done = run(
            f"sys.platform = 'emscripten'\nSegOpsClient('https://api.example.org', {key!r})", "https://x.example"
        )
        assert ("browser" in done.stderr) is warned
        assert key not in done.stderr + done.stdout
