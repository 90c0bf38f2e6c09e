"""The `local:` transport: the local SegOps in this process."""

from __future__ import annotations

from segops.core import Request, Response, SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError, Transport
from segops.emulator.service import LocalSegOps
from segops.utils import expand_home, monotonic, parse_local_url

_EXAMPLE = "local: or local:///absolute/path/segops.db"


class LocalTransport(Transport):
    """Hands requests to a local SegOps, with no network in between.

    Attributes:
        segops: The local SegOps, for reading back what was stored.
        api_key: Its secret key.
    """

    def __init__(self, segops: LocalSegOps | None = None, *, url: str = "local:") -> None:
        self.segops = LocalSegOps() if segops is None else segops
        self.url = url
        self.api_key = self.segops.secret_key

    def __repr__(self) -> str:
        """Show no key."""
        return f"LocalTransport({self.url!r})"

    @classmethod
    def from_url(cls, url: str) -> LocalTransport:
        """Return a transport of its own: `local:` in memory, `local:///path/segops.db` or `local:~/segops.db` on disk.

        Raises:
            SegOpsConfigError: The URL is of another form, or the file cannot be used.
        """
        path = parse_local_url(url, example=_EXAMPLE, has_path=True).path
        is_in_home = path.startswith("~") and expand_home(path) != path
        if path and not is_in_home and not url[len("local:") :].startswith(("///", "//localhost/")):
            raise SegOpsConfigError(f"the local: URL has the relative path {path!r}: write {_EXAMPLE}")
        return cls(LocalSegOps(path) if path else None, url=url)

    def send(self, request: Request, *, timeout: float) -> Response:
        """Answer the request from the database; only a scripted fault can make that slow or fail.

        Raises:
            SegOpsTimeoutError: A fault delayed the answer for longer than `timeout`.
            SegOpsTransportError: A fault reset the connection.
        """
        end = monotonic() + timeout
        try:
            response = self.segops.handle(request)
        except ConnectionResetError as error:
            raise SegOpsTransportError(f"{self.url}: {error}") from error
        if monotonic() > end:
            raise SegOpsTimeoutError(f"{self.url} did not answer within {timeout:g} s")
        return response

    def close(self) -> None:
        """Give back the file; what is stored, also in memory, can still be read back through `segops`."""
        self.segops.close()
