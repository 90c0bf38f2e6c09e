"""Children, pickles, freezes, subinterpreters and workers that die: reliability table, rows 28, 30 and 33 to 35."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lifecycle.lifecycle_rig import PATIENCE, ROOT, environment, stored
from tests.rig.fault_server import FaultServer, respond
from tests.rig.waiting import wait_until

HEADER = """
import sys, time
from segops import SegOpsClient
def make(url, **options):
    return SegOpsClient(url, "sk_test_processes", **{"flush_interval": 3600, **options})
def track(client, *names):
    for name in names:
        client.track(user_id=name, event_type="x")
"""


def run(folder: Path, code: str, *args: str, header: str = HEADER) -> subprocess.CompletedProcess[str]:
    """Run a program from a file, as multiprocessing needs it."""
    (folder / "program.py").write_text(header + code)
    return subprocess.run(
        [sys.executable, str(folder / "program.py"), *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
        cwd=ROOT,
    )


INHERITED = """
import multiprocessing
client = make(sys.argv[1])
def work(number):
    track(client, f"child-{number}")
if __name__ == "__main__":
    track(client, "parent")
    context = multiprocessing.get_context(sys.argv[2])
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    with context.Pool(2) as pool:
        pool.map(work, range(3, 9))
        pool.close()
        pool.join()
"""

OF_ITS_OWN = """
import multiprocessing
def work(url):
    from segops import SegOpsClient
    global client
    client = make(url)
    track(client, "child")
if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[2]).Process(target=work, args=(sys.argv[1],))
    child.start()
    child.join()
"""

LATE = """
import multiprocessing, sys
def work(url):
    from segops import SegOpsClient
    client = SegOpsClient(url, "sk_test_processes", flush_interval=3600)
    client.track(user_id="late", event_type="x")
child = multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1],))
child.start()
child.join()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_row_28_children_of_multiprocessing_deliver_what_they_tracked(tmp_path: Path, method: str) -> None:
    """They end by `os._exit`, without atexit; the client is one that they inherit, or a new one of their module."""
    with FaultServer() as server:
        done = run(tmp_path, INHERITED, server.url, method)
        assert done.returncode == 0, done.stderr
        assert stored(server) == sorted([*[f"child-{number}" for number in range(9)], "parent"]), done.stderr


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_row_28_a_client_made_in_a_child_of_multiprocessing_delivers(tmp_path: Path, method: str) -> None:
    with FaultServer() as server:
        done = run(tmp_path, OF_ITS_OWN, server.url, method)
        assert done.returncode == 0, done.stderr
        assert stored(server) == ["child"], done.stderr


def test_row_28_so_does_one_that_imports_the_sdk_only_there(tmp_path: Path) -> None:
    with FaultServer() as server:
        done = run(tmp_path, LATE, server.url, header="")
        assert done.returncode == 0, done.stderr
        assert stored(server) == ["late"]


def test_row_30_a_client_that_is_handed_to_a_spawned_child_is_refused_with_the_remedy(tmp_path: Path) -> None:
    code = """
import multiprocessing
def work(client):
    track(client, "child")
if __name__ == "__main__":
    client = make(sys.argv[1])
    try:
        multiprocessing.get_context("spawn").Process(target=work, args=(client,)).start()
    except TypeError as error:
        print(error)
    track(client, "parent")
"""
    with FaultServer() as server:
        done = run(tmp_path, code, server.url)
        assert stored(server) == ["parent"], "the client itself goes on"
    assert "cannot be pickled" in done.stdout
    assert "make one in each process" in done.stdout
    assert "sk_test_processes" not in done.stdout


def test_row_33_a_frozen_process_flushes_per_invocation_over_fresh_sockets(tmp_path: Path) -> None:
    """Freeze it between invocations, as AWS Lambda does; meanwhile the server closes the connection."""
    (tmp_path / "function.py").write_text(
        HEADER
        + """
client = make(sys.argv[1])
for line in sys.stdin:
    track(client, line.strip())
    print(client.flush(50), client.stats().retries, client.stats().last_error, flush=True)
"""
    )
    command = [sys.executable, str(tmp_path / "function.py")]
    with (
        FaultServer(*[respond(close=True)] * 9) as server,
        subprocess.Popen(
            [*command, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
            cwd=ROOT,
        ) as function,
    ):
        assert function.stdin is not None
        assert function.stdout is not None
        for number in range(4):
            function.stdin.write(f"invocation-{number}\n")
            function.stdin.flush()
            assert function.stdout.readline().split() == ["True", "0", "None"]
            function.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            function.send_signal(signal.SIGCONT)
        function.stdin.close()
        assert function.wait(PATIENCE) == 0
        assert stored(server) == [f"invocation-{number}" for number in range(4)]


def test_row_34_a_subinterpreter_is_refused_at_construction() -> None:
    """The libraries below, where they can be imported there at all, share state between interpreters."""
    code = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inside = '''
from segops import SegOpsClient
try:
    SegOpsClient("memory:")
except Exception as error:
    print(type(error).__name__, error, flush=True)
else:
    print("made", flush=True)
'''
try:
    number = interpreters.create("legacy")
except (TypeError, ValueError):
    number = interpreters.create()
failure = interpreters.run_string(number, inside)
if failure: print(failure)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=environment(),
        cwd=ROOT,
    )
    assert done.stdout.startswith("SegOpsConfigError"), done.stdout + done.stderr
    assert "subinterpreter" in done.stdout


DYING = """
import threading
from segops import RetryPolicy
from segops.core.retry import Clock
class Failing(Clock):
    failures = []
    def monotonic(self):
        if threading.current_thread().name == "segops" and self.failures:
            raise self.failures.pop()
        return super().monotonic()
errors = []
hook = []
threading.excepthook = lambda args: hook.append(args.exc_type.__name__)
client = make(sys.argv[1], clock=Failing(), on_error=errors.append, flush_interval=0.2)
track(client, "before")
assert client.flush(50)
Failing.failures += [{failure}] * {times}
track(client, "during")
time.sleep(0.3)
started = time.monotonic()
while client.stats().pending and time.monotonic() - started < 60:
    time.sleep(0.05)
print(time.monotonic() - started < 20.0, client.stats().pending, client.stats().last_error is not None, bool(errors))
assert client.flush(50)
"""


@pytest.mark.parametrize("failure", ["MemoryError()", "ZeroDivisionError('a bug')", "SystemExit()"])
@pytest.mark.parametrize("times", [1, 3])
def test_row_35_a_worker_that_dies_is_restarted_within_a_second(tmp_path: Path, failure: str, times: int) -> None:
    """A clock that fails stands for a bug of ours: it is called all over the worker."""
    with FaultServer() as server:
        code = DYING.replace("{failure}", failure).replace("{times}", str(times))
        done = run(tmp_path, code, server.url)
        assert done.stdout.split() == ["True", "0", "True", "True"], done.stdout + done.stderr
        assert wait_until(lambda: stored(server) == ["before", "during"])
