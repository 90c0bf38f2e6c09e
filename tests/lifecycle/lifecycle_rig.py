"""Helpers for tests of application servers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.rig.fault_server import FaultServer
from tests.rig.programs import unconfigured, unmeasured

ROOT = Path(__file__).parents[2]
DEPENDENCIES = [each for each in requires("segops-sdk") or [] if "extra ==" not in each]
SERVERS = ["gunicorn", "celery", "gevent", "uwsgi"]
PATIENCE = 90.0


class Servers(NamedTuple):
    """The environment in which the application servers are installed."""

    python: Path

    def program(self, name: str) -> str:
        """Return the path of an installed program."""
        return str(self.python.parent / name)

    def run(self, code: str, *args: str, timeout: float = PATIENCE) -> str:
        """Run a program to its end and return what it printed."""
        command = [str(self.python), "-c", code, *args]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, env=environment(), cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a child that imports this very package."""
    return {**unconfigured(unmeasured()), "PYTHONPATH": str(ROOT), **more}


@contextlib.contextmanager
def serving(command: list[str], folder: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in `folder`; end it in good order if it still runs, by force if it does not heed that."""
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=environment(**more), start_new_session=True
        ) as process,
    ):
        try:
            yield process
            end(process)
        except BaseException as error:
            error.args = (*error.args, log.read_text(errors="replace")[-3000:])
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a server in good order."""
    if process.poll() is None:
        process.send_signal(how)
        process.wait(PATIENCE)


def get(port: int, path: str) -> str:
    """Get a page, as soon as the server is up."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as response:
                text: str = response.read().decode()
                return text
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def events(server: FaultServer) -> list[dict[str, Any]]:
    """Return the events that reached the server."""
    return [event for received in server.journal for event in msgspec.json.decode(received.body)["events"]]


def stored(server: FaultServer) -> list[str]:
    """Return whose events reached the server, sorted."""
    return sorted(event["user_id"] for event in events(server))
