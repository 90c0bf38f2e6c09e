"""The `local:` transport, a local SegOps in this process."""

from __future__ import annotations

from segops.core import Request, Response, SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError, Transport
from segops.emulator.service import LocalSegOps
from segops.utils import expand_home, monotonic, parse_local_url

_EXAMPLE = "local: or local:///absolute/path/segops.db"


class LocalTransport(Transport):
    """Passes requests to a local SegOps in this process.

    Attributes:
        segops: The local SegOps, for reading back what was stored.
        api_key: Its secret key.
    """

    def __init__(self, segops: LocalSegOps | None = None, *, url: str = "local:") -> None:
        self.segops = LocalSegOps() if segops is None else segops
        self.url = url
        self.api_key = self.segops.secret_key

    def __repr__(self) -> str:
        """Omit the key."""
        return f"LocalTransport({self.url!r})"

    @classmethod
    def from_url(cls, url: str) -> LocalTransport:
        """Create a transport: `local:` in memory, `local:///path/segops.db` or `local:~/segops.db` on disk.

        Raises:
            SegOpsConfigError: The URL has another form, or the file cannot be used.
        """
        path = parse_local_url(url, example=_EXAMPLE, has_path=True).path
        is_in_home = path.startswith("~") and expand_home(path) != path
        if path and not is_in_home and not url[len("local:") :].startswith(("///", "//localhost/")):
            raise SegOpsConfigError(f"local: URL has a relative path {path!r}: use {_EXAMPLE}")
        return cls(LocalSegOps(path) if path else None, url=url)

    def send(self, request: Request, *, timeout: float) -> Response:
        """Handle a request in this process. Only scripted faults make it slow or fail.

        Raises:
            SegOpsTimeoutError: A fault delayed the response beyond `timeout`.
            SegOpsTransportError: A fault reset the connection.
        """
        end = monotonic() + timeout
        try:
            response = self.segops.handle(request)
        except ConnectionResetError as error:
            raise SegOpsTransportError(f"{self.url}: {error}") from error
        if monotonic() > end:
            raise SegOpsTimeoutError(
                f"{request.method} {request.path.partition('?')[0]} timed out after {timeout:g} s ({self.url})"
            )
        return response

    def close(self) -> None:
        """Close the file. Stored data, even in memory, can still be read through `segops`."""
        self.segops.close()
