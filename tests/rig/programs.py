"""Programs that tests start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Server = TypeVar("Server", bound="ServerProcess")

SEGOPS = (sys.executable, "-m", "segops")


def unconfigured(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that finds no settings of the SDK in it."""
    return {name: value for name, value in environment.items() if not name.startswith("SEGOPS_")}


def alone(directory: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that finds neither settings nor another `segops dev`."""
    return {**unconfigured(environment), "XDG_RUNTIME_DIR": str(directory)}


def unmeasured(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that is not measured for coverage.

    The tracer loads much of the standard library. It also takes a lock that a signal or a fork in the middle of it
    leaves locked, so that the program hangs: this was seen. So programs that are interrupted or fork must not have it.
    """
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE")}


def importing(directory: Path) -> dict[str, str]:
    """Return the variable that makes a program find the modules in a directory before others."""
    return {"PYTHONPATH": os.pathsep.join([str(directory), *filter(None, [os.environ.get("PYTHONPATH")])])}


def make_run(environment: Mapping[str, str], *command: str) -> Run:
    """Return a function that runs `segops` with a command and more arguments to its end, in an environment."""

    def run_segops(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*SEGOPS, *command, *words],
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    return run_segops


class ServerProcess:
    """A program that serves a local SegOps, and prints its URL and keys as `segops dev` does.

    Attributes:
        process: The process.
        said: What it printed before it served.
        url: The URL of the server.
        port: The port of the server.
        secret_key: The secret key.
        public_key: The public key.
    """

    def __init__(self, *command: str, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"http://\S+:(\d+)", self.said)
        assert found, self.process.communicate(timeout=60)
        self.url = found[0]
        self.port = int(found[1])
        self.secret_key = self.read_key("secret key")
        self.public_key = self.read_key("public key")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.stdin and not self.process.stdin.closed:
            _, complaints = self.stop()
            assert "Traceback" not in complaints, complaints

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it, and return its exit code and what it wrote to stderr."""
        self.process.send_signal(number)
        _, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, complaints

    def read_key(self, name: str) -> str:
        """Return what it printed after a name."""
        found = re.search(rf"{name} +(\S+)", self.said)
        assert found, self.said
        return found[1]


class DevProcess(ServerProcess):
    """`segops dev`, on a free port unless `words` name one."""

    def __init__(self, environment: Mapping[str, str], *words: str) -> None:
        port = () if "--port" in words else ("--port", "0")
        super().__init__(*SEGOPS, "dev", *port, *words, environment=environment)
