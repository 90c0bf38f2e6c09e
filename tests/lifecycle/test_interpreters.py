"""Exit and fork on each installed CPython from 3.10 to 3.14: reliability table, rows 22, 25 and 28."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lifecycle.lifecycle_rig import DEPENDENCIES, PATIENCE, ROOT, environment, stored
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.pythons import find_pythons

EXIT = """
import sys
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_interpreters", flush_interval=3600, batch_size=100_000)
for number in range(1000):
    client.track(user_id=f"u-{number}", event_type="x")
"""

AT_EXIT = """
import atexit, sys
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_interpreters")
atexit.register(lambda: client.track(user_id="late", event_type="x"))
"""

FORK = """
import os, signal, sys, threading, time
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_interpreters", flush_interval=3600, batch_size=100_000, timeout=60)
for number in range(100):
    client.track(user_id="parent", event_type="x")
flushing = threading.Thread(target=client.flush, args=(60,))
flushing.start()
time.sleep(0.3)
assert flushing.is_alive(), "the server waits for the child before it responds"
child = os.fork()
if child == 0:
    signal.alarm(60)
    for number in range(10):
        client.track(user_id="child", event_type="x")
    stats = client.stats()
    os._exit(0 if client.flush(50) and stats.accepted == 10 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
flushing.join()
assert client.stats().delivered == 100
"""

DESTRUCTOR = """
import sys
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_interpreters")
class Session:
    def __del__(self):
        client.track(user_id=sys.argv[3], event_type="x")
        client.flush(1)
        client.shutdown(1)
session = Session()
if sys.argv[2] != "unused":
    client.track(user_id="early", event_type="x")
if sys.argv[2] == "closed":
    client.shutdown()
"""

FORK_ON_A_THREAD = """
import os, sys, threading, time
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_interpreters", flush_interval=3600, batch_size=100_000)
client.track(user_id="parent", event_type="x")
assert client.flush(60)
def fork():
    global child
    child = os.fork()
    if child == 0:
        client.track(user_id="child", event_type="x")  # and returns: nothing else ends this process
thread = threading.Thread(target=fork)
thread.start()
thread.join()
end = time.monotonic() + 60
while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
    time.sleep(0.05)
if not done[0]:
    os.kill(child, 9)
assert done == (child, 0), done
"""


@pytest.fixture(scope="session", params=list(find_pythons()))
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter with the dependencies of the SDK."""
    version: str = request.param
    if find_pythons()[version] == sys.executable:
        return sys.executable
    home = tmp_path_factory.mktemp(f"python{version}")
    subprocess.run([find_pythons()[version], "-m", "venv", "--without-pip", str(home)], check=True, timeout=120)
    inside = str(home / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", inside, "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *DEPENDENCIES], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return inside


def run(python: str, code: str, url: str, *args: str) -> None:
    done = subprocess.run(
        [python, "-c", code, url, *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
        cwd=ROOT,
    )
    # From Python 3.12 on, a fork beside another thread is warned of.
    assert done.returncode == 0, done.stderr


def test_row_22_a_thousand_events_arrive_by_a_plain_exit(python: str) -> None:
    with FaultServer() as server:
        run(python, EXIT, server.url)
        assert stored(server) == sorted(f"u-{number}" for number in range(1000))


def test_row_25_the_first_event_inside_atexit_arrives(python: str) -> None:
    with FaultServer() as server:
        run(python, AT_EXIT, server.url)
        assert stored(server) == ["late"]


def test_row_28_a_fork_during_a_flush_leaves_each_process_its_own(python: str) -> None:
    def slow(call: Call) -> None:
        call.read()
        while len(call.server.journal) < 2 and not call.server.stopping.wait(0.01):
            pass
        call.peer.send(raw())

    with FaultServer(slow, respond()) as server:
        run(python, FORK, server.url)
        assert stored(server) == ["child"] * 10 + ["parent"] * 100


@pytest.mark.parametrize("user", ["late", ""], ids=["good", "bad"])
@pytest.mark.parametrize("use", ["open", "closed", "unused"])
def test_a_destructor_that_tracks_while_the_interpreter_ends_does_not_hold_it_up(
    python: str, use: str, user: str
) -> None:
    with FaultServer() as server:
        run(python, DESTRUCTOR, server.url, use, user)
        assert stored(server) == ([] if use == "unused" else ["early"])


def test_a_child_that_was_forked_on_a_thread_delivers_and_ends_when_that_returns(python: str) -> None:
    with FaultServer() as server:
        run(python, FORK_ON_A_THREAD, server.url)
        assert stored(server) == ["child", "parent"]
