"""Find the `segops dev` servers that run on this machine.

Each server writes its URL to a file of its own that only its user can read. A command that finds the file asks the URL
whether it is still the same server. No key is written: the server reveals its keys to callers on this machine.
"""

from __future__ import annotations

import http.client
import os
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from segops import SegOpsConfigError, SegOpsTransportError
from segops.environment import find_runtime_directory, read_environment

INFO_PATH = "/_dev/info"

_TIMEOUT = 5.0


class Info(msgspec.Struct, frozen=True):
    """What a running `segops dev` reports about itself.

    Attributes:
        url: Its URL.
        instance: A random id of this start.
        secret_key: A key with full access.
        public_key: A key for browsers.
        signing_secret: The secret that signs user ids for the public key, in hex.
        database: The database file, or ":memory:".
        version: The version of segops.
        stream: The broker that it watches, without credentials; None if it watches none.
    """

    url: str
    instance: str
    secret_key: str
    public_key: str
    signing_secret: str
    database: str
    version: str
    stream: str | None = None

    def __repr__(self) -> str:
        """Leave out the keys."""
        return f"Info({self.url!r})"


class _Announcement(msgspec.Struct, frozen=True):
    url: str
    instance: str


def announce(info: Info) -> None:
    """Write the file of this server."""
    path = _path_of(info.instance)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(_Announcement(info.url, info.instance)))
    draft.replace(path)


def withdraw(info: Info) -> None:
    """Remove the file of this server."""
    _remove(_path_of(info.instance))


def find_running(url: str | None = None) -> Info:
    """Return the server at a URL, at `SEGOPS_API_URL`, or the running one that was started last.

    Raises:
        SegOpsConfigError: No server is running, or the URL is not an http URL.
        SegOpsTransportError: Nothing responds at the URL, or something else does.
    """
    if url:
        return _ask(url)
    if given := read_environment().given_url:
        return _ask_environment(given)
    for path, announcement in _read_announcements():
        try:
            info = _ask(announcement.url)
        except (SegOpsTransportError, SegOpsConfigError) as error:
            if isinstance(error.__cause__, ConnectionRefusedError):  # it was killed
                _remove(path)
            continue
        if info.instance == announcement.instance:
            return info
        _remove(path)
    raise SegOpsConfigError("no `segops dev` is running: start one in another terminal, or pass --url URL")


def _ask_environment(url: str) -> Info:
    try:
        return _ask(url)
    except (SegOpsConfigError, SegOpsTransportError) as error:
        raise type(error)(f"SEGOPS_API_URL: {error}; unset it, or pass --url URL") from error


def connect(url: str, timeout: float = _TIMEOUT) -> http.client.HTTPConnection:
    """Return a connection to the server at a URL, without any proxy.

    Raises:
        SegOpsConfigError: It is not an http URL.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or not host:
        raise SegOpsConfigError(f"invalid URL of a `segops dev` {url[:200]!r}: expected one like http://127.0.0.1:8000")
    return http.client.HTTPConnection(host, port or 80, timeout=timeout)


def _ask(url: str) -> Info:
    connection = connect(url)
    try:
        connection.request("GET", INFO_PATH)
        response = connection.getresponse()
        return msgspec.json.decode(response.read(100_000), type=Info)
    except (OSError, http.client.HTTPException) as error:
        raise SegOpsTransportError(f"{url} does not respond ({type(error).__name__})") from error
    except msgspec.DecodeError as error:
        raise SegOpsTransportError(f"{url} is not a `segops dev` server") from error
    finally:
        connection.close()


def _path_of(instance: str) -> Path:
    return Path(find_runtime_directory()) / f"segops-dev.{instance}.json"


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _read_announcements() -> list[tuple[Path, _Announcement]]:
    """Return the files of all servers, the newest first; killed servers leave theirs behind."""
    found = []
    for path in Path(find_runtime_directory()).glob("segops-dev.*.json"):
        with suppress(OSError, msgspec.DecodeError):
            found.append((path.stat().st_mtime_ns, path, msgspec.json.decode(path.read_bytes(), type=_Announcement)))
    return [(path, announcement) for _, path, announcement in sorted(found, key=itemgetter(0), reverse=True)]
