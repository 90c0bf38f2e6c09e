"""HTTP for uvicorn, with JSON responses to invalid requests like those of the API."""

from __future__ import annotations

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_SECONDS = 2.0


class JsonErrorProtocol(H11Protocol):
    """Responds to invalid requests with a JSON body."""

    _has_failed = False

    def data_received(self, data: bytes) -> None:
        """Receive data, unless the connection is about to close."""
        if not self._has_failed:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Respond with 400, and close the connection once the client has read the response, or after 2 s.

        The rest of the request is discarded, because closing early would reset the connection before the client reads
        the response.
        """
        self._has_failed = True
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
