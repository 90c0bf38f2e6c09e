"""Exit and fork on each CPython of this machine from 3.10 to 3.14: fault-matrix.md, rows 22, 25 and 28.

Interpreters are looked for in `SEGOPS_TEST_PYTHONS` (separated by ":"), on the path, and where pyenv keeps its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.lifecycle.lifecycle_rig import DEPENDENCIES, PATIENCE, ROOT, environment, stored
from tests.rig.fault_server import Call, FaultServer, answer, raw

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
assert flushing.is_alive(), "the server waits for the child before it answers"
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


@cache
def interpreters() -> dict[str, str]:
    """Return the interpreters by version; this one is always among them."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [
        *os.environ.get("SEGOPS_TEST_PYTHONS", "").split(":"),
        *[shutil.which(f"python3.{minor}") or "" for minor in range(10, 15)],
        *[str(path) for minor in range(10, 15) for path in pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")],
    ]
    found = {_version(sys.executable): sys.executable}
    for candidate in filter(None, candidates):
        version = _version(candidate)
        if version.startswith("3.1"):
            found.setdefault(version, candidate)
    return found


def _version(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


@pytest.fixture(scope="session", params=list(interpreters()))
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter that has what the SDK needs."""
    version: str = request.param
    if interpreters()[version] == sys.executable:
        return sys.executable
    home = tmp_path_factory.mktemp(f"python{version}")
    subprocess.run([interpreters()[version], "-m", "venv", "--without-pip", str(home)], check=True, timeout=120)
    inside = str(home / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", inside, "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *DEPENDENCIES], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return inside


def run(python: str, code: str, url: str) -> None:
    done = subprocess.run(
        [python, "-c", code, url],
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

    with FaultServer(slow, answer()) as server:
        run(python, FORK, server.url)
        assert stored(server) == ["child"] * 10 + ["parent"] * 100
