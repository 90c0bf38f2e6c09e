"""A real Redis on a free port of this machine, with an append-only file, that tests stop, pause and kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.rig.ports import lasting_port
from tests.rig.waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="redis-server is missing: install it, as `make redis` does with apt-get"
)


class RedisServer:
    """Runs while its `with` block does.

    Args:
        folder: Where it keeps its data.
        settings: More settings, by name.

    Attributes:
        port: Where it listens.
        client: A client that waits for a minute, for looking at it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.port = lasting_port()
        self._command = [
            PROGRAM or "redis-server",
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--logfile", str(folder / "redis.log")),
            *[text for name, value in (settings or {}).items() for text in (f"--{name}", value)],
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Any = redis.Redis(port=self.port, socket_timeout=60)

    def url(self, **options: object) -> str:
        """Return the URL of a stream."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis+stream://127.0.0.1:{self.port}/0" + (f"?{query}" if query else "")

    def start(self) -> None:
        """Start it, with the data that it had before."""
        self._process = subprocess.Popen(self._command)
        assert wait_until(self._responds), "redis-server does not start"

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it with SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _responds(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.client.close()
