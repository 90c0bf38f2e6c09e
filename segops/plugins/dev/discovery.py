"""How commands find the SegOps that runs on this machine.

`segops dev` writes its URL into a file that only its user can read; whoever finds it asks that URL whether it is
still the same server. No key is written: the server tells them to callers on this machine.
"""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from segops import SegOpsConfigError, SegOpsTransportError
from segops.environment import find_runtime_directory

INFO_PATH = "/_dev/info"

_TIMEOUT = 5.0


class Info(msgspec.Struct, frozen=True):
    """What a running `segops dev` says of itself.

    Attributes:
        url: Where it listens.
        instance: Random text; each start has another.
        secret_key: A key that may do everything.
        public_key: A key for browsers.
        signing_secret: The hex text that signs user ids for the public key.
        database: The database file, or ":memory:".
        version: The version of segops.
    """

    url: str
    instance: str
    secret_key: str
    public_key: str
    signing_secret: str
    database: str
    version: str

    def __repr__(self) -> str:
        """Show no key."""
        return f"Info({self.url!r})"


class _Note(msgspec.Struct, frozen=True):
    url: str
    instance: str


def announce(info: Info) -> None:
    """Write down that this server runs; the last one that started is the one that is found."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{info.instance}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(_Note(info.url, info.instance)))
    draft.replace(path)


def withdraw(info: Info) -> None:
    """Remove the note, if it is of this server."""
    note = _read_note()
    if note is not None and note.instance == info.instance:
        _path().unlink(missing_ok=True)


def find_running(url: str | None = None) -> Info:
    """Return the server at a URL, or the one that was started last.

    Raises:
        SegOpsConfigError: None was started, or it runs no more.
        SegOpsTransportError: Nothing answers at the URL, or something else does.
    """
    if url:
        return _ask(url)
    note = _read_note()
    try:
        info = None if note is None else _ask(note.url)
    except SegOpsTransportError:
        info = None
    if note is None or info is None or info.instance != note.instance:
        raise SegOpsConfigError("no `segops dev` runs: start it in another terminal, or say where it is with --url URL")
    return info


def connect(url: str, timeout: float = _TIMEOUT) -> http.client.HTTPConnection:
    """Return a connection to the server at a URL; proxies are for elsewhere.

    Raises:
        SegOpsConfigError: It is no http URL.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or not host:
        raise SegOpsConfigError(f"{url[:200]!r} is no address of a `segops dev`: write http://127.0.0.1:8000")
    return http.client.HTTPConnection(host, port or 80, timeout=timeout)


def _ask(url: str) -> Info:
    connection = connect(url)
    try:
        connection.request("GET", INFO_PATH)
        answer = connection.getresponse()
        return msgspec.json.decode(answer.read(100_000), type=Info)
    except (OSError, http.client.HTTPException) as error:
        raise SegOpsTransportError(f"{url} does not answer ({type(error).__name__})") from error
    except msgspec.DecodeError as error:
        raise SegOpsTransportError(f"{url} is no `segops dev`: something else answers there") from error
    finally:
        connection.close()


def _path() -> Path:
    return Path(find_runtime_directory()) / "segops-dev.json"


def _read_note() -> _Note | None:
    try:
        return msgspec.json.decode(_path().read_bytes(), type=_Note)
    except (OSError, msgspec.DecodeError):
        return None
