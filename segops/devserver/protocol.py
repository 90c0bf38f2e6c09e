"""HTTP as uvicorn speaks it, except that what is no request is refused as the API refuses everything: with JSON.

Source: wire-protocol.md, section 1.7.
"""

from __future__ import annotations

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_SECONDS = 2.0


class JsonErrorProtocol(H11Protocol):
    """Answers requests that cannot be read with a JSON body."""

    _has_refused = False

    def data_received(self, data: bytes) -> None:
        """Take data, unless the connection is about to be closed."""
        if not self._has_refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer 400 and close the connection once the client has read it, or after 2 s.

        What the client is still sending is read and forgotten: closing at once would reset the connection under the
        answer.
        """
        self._has_refused = True
        body = msgspec.json.encode({"detail": msg})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
