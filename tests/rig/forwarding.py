"""Forwarders as processes, and an oracle that sees what arrives at SegOps."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from segops import SegOpsClient
from tests.rig.fault_server import FaultServer
from tests.rig.programs import unconfigured
from tests.rig.waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

KEY = "sk_test_forwarder_1"

_FORK_SERVER = """
import json, os, signal, sys
import segops.brokers.redis_streams, segops.brokers.spool, segops.cli.program, segops.forward.command
import segops.cli.output, segops.emulator.plugin, segops.transports.http

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update(order["environment"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(f"{order['folder']}/{name}", os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = segops.cli.program.main(order["arguments"])
        with open(f"{order['folder']}/code.new", "w") as file:
            file.write(str(code))
        os.rename(f"{order['folder']}/code.new", f"{order['folder']}/code")
        sys.exit(code)
    print(pid, flush=True)
"""


class Running:
    """A run of `segops`.

    Attributes:
        pid: Its process.
    """

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self._folder = folder

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        file = self._folder / "stdout"
        return file.read_text() if file.exists() else ""

    @property
    def stderr(self) -> str:
        """What it reported so far."""
        file = self._folder / "stderr"
        return file.read_text() if file.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        code = self._folder / "code"
        assert wait_until(code.exists), f"it does not end: {self.stderr}"
        assert "Traceback" not in self.stderr
        return int(code.read_text())


class Segops:
    """Runs `segops` by forking a process that has all modules loaded, which takes no time.

    Args:
        folder: Where the output goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._started: list[Running] = []
        self._server = subprocess.Popen(
            [sys.executable, "-c", _FORK_SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=unconfigured(),  # it has one thread, so that a fork under the tracer of coverage is safe
        )

    def start(self, *arguments: str, key: str | None = KEY, **more: str) -> Running:
        """Start it, and return at once."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        folder = self._folder / f"run-{next(self._numbers)}"
        folder.mkdir()
        environment = {**more, **({} if key is None else {"SEGOPS_API_KEY": key})}
        order = {"arguments": arguments, "environment": environment, "folder": str(folder)}
        self._server.stdin.write(f"{json.dumps(order)}\n")
        self._server.stdin.flush()
        self._started.append(Running(int(self._server.stdout.readline()), folder))
        return self._started[-1]

    def run(self, *arguments: str, key: str | None = KEY, **more: str) -> Running:
        """Run it to its end."""
        running = self.start(*arguments, key=key, **more)
        running.wait()
        return running

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._started:
            running.send(signal.SIGKILL)  # a process id is not given out again so soon
        self._server.communicate()


class Oracle:
    """Checks what a server received against what was tracked.

    Args:
        server: The server.
    """

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.tracked: dict[str, int] = defaultdict(int)

    def track(self, client: SegOpsClient, count: int, users: int = 20) -> None:
        """Track so many events, numbered for each user."""
        for number in range(count):
            user = f"user-{number % users}"
            client.track(user_id=user, event_type="numbered", payload={"n": self.tracked[user]})
            self.tracked[user] += 1

    @property
    def expected(self) -> int:
        """How many events were tracked."""
        return sum(self.tracked.values())

    def arrived(self) -> int:
        """Return how many different events arrived."""
        return len({(event["user_id"], event["payload"]["n"]) for event in self.events()})

    def has_all(self) -> bool:
        """Return whether everything arrived."""
        return self.arrived() >= self.expected

    def events(self) -> list[dict[str, Any]]:
        """Return the events that arrived, in order, with duplicates."""
        return [event for request in [*self.server.journal] for event in json.loads(request.body)["events"]]

    def wait(self) -> None:
        """Wait until everything arrived."""
        assert wait_until(self.has_all), f"{self.arrived()} of {self.expected} events arrived"

    def check(self, duplicates: int) -> int:
        """Check that nothing is lost, each user's events are in order, and events repeat only in identical requests.

        Args:
            duplicates: How many events may have arrived again.

        Returns:
            How many did.
        """
        bodies: dict[str, bytes] = {}
        first: dict[str, list[int]] = defaultdict(list)
        repeated = 0
        for request in self.server.journal:
            key = request.headers["idempotency-key"]
            events = json.loads(request.body)["events"]
            if key in bodies:
                assert bodies[key] == request.body, "a key stands for two bodies"
                repeated += len(events)
                continue
            bodies[key] = request.body
            for event in events:
                first[event["user_id"]].append(event["payload"]["n"])
        assert first == {user: list(range(count)) for user, count in self.tracked.items()}, (
            "lost, twice, or in disorder"
        )
        assert repeated <= duplicates
        return repeated
