"""A server that receives webhooks."""

from __future__ import annotations

import threading
from types import TracebackType

from tests.rig.fault_server import Call, Fault, FaultServer, raw


class WebhookReceiver(FaultServer):
    """Record webhooks, and respond with `status` as soon as `gate` is open, which it is at first."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"{super().url}/hook"

    @property
    def received(self) -> list[tuple[bytes, str | None]]:
        """The body and the signature of each webhook."""
        return [(each.body, each.headers.get("x-segops-signature")) for each in self.journal]

    def next_fault(self) -> Fault:
        def fault(call: Call) -> None:
            call.read()
            self.gate.wait(60)
            call.peer.send(raw(self.status, b"", {"Location": self.url}))

        return fault

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        super().__exit__(cls, error, trace)
