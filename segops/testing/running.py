"""A local SegOps that is served over HTTP, with what a program needs to use it."""

from __future__ import annotations

from collections.abc import Mapping

from segops.emulator import LocalSegOps, LocalServer
from segops.testing.events import TrackedEvents


class RunningSegOps:
    """A local SegOps in memory, served on a free port of this machine.

    Attributes:
        segops: The local SegOps, with what it stored and its scripted faults.
        url: Its URL.
        secret_key: A key that sends events.
        public_key: A key that opens sessions.
        signing_secret: The hex-encoded secret that signs user ids for `public_key`.
        events: The events that it stored, with assertions.
        environment: The environment variables that lead a program to it.
    """

    def __init__(self) -> None:
        self.segops = LocalSegOps()
        self.secret_key = self.segops.secret_key
        self.public_key = self.segops.public_key
        self.signing_secret = self.segops.signing_secret
        self.events = TrackedEvents(self.segops)
        self._server = LocalServer(self.segops)
        self.url = self._server.url
        self.environment: Mapping[str, str] = {
            "SEGOPS_API_URL": self.url,
            "SEGOPS_API_KEY": self.secret_key,
            "SEGOPS_DISABLED": "0",
        }

    def __repr__(self) -> str:
        """Omit the keys."""
        return f"RunningSegOps({self.url!r})"

    def __enter__(self) -> RunningSegOps:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.segops.close()
