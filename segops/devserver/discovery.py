"""How commands find the SegOps that runs on this machine.

Each `segops dev` writes its URL into a file of its own that only its user can read; whoever finds it asks that URL
whether it is still the same server. No key is written: the server tells them to callers on this machine.
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
    """Write down that this server runs."""
    path = _note_of(info.instance)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(_Note(info.url, info.instance)))
    draft.replace(path)


def withdraw(info: Info) -> None:
    """Remove the note of this server."""
    _remove(_note_of(info.instance))


def find_running(url: str | None = None) -> Info:
    """Return the server at a URL, that of `SEGOPS_API_URL`, or the one that was started last of those that run.

    Raises:
        SegOpsConfigError: None runs, or the URL cannot be that of one.
        SegOpsTransportError: Nothing answers at the URL, or something else does.
    """
    if url:
        return _ask(url)
    if given := read_environment().given_url:
        return _ask_environment(given)
    for path, note in _read_notes():
        try:
            info = _ask(note.url)
        except (SegOpsTransportError, SegOpsConfigError) as error:
            if isinstance(error.__cause__, ConnectionRefusedError):  # it was killed
                _remove(path)
            continue
        if info.instance == note.instance:
            return info
        _remove(path)
    raise SegOpsConfigError("no `segops dev` runs: start it in another terminal, or say where it is with --url URL")


def _ask_environment(url: str) -> Info:
    try:
        return _ask(url)
    except (SegOpsConfigError, SegOpsTransportError) as error:
        raise type(error)(f"SEGOPS_API_URL: {error}; unset it, or say where `segops dev` is with --url URL") from error


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


def _note_of(instance: str) -> Path:
    return Path(find_runtime_directory()) / f"segops-dev.{instance}.json"


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _read_notes() -> list[tuple[Path, _Note]]:
    """Return the notes of all servers, the latest first; a server that was killed left one, too."""
    found = []
    for path in Path(find_runtime_directory()).glob("segops-dev.*.json"):
        with suppress(OSError, msgspec.DecodeError):
            found.append((path.stat().st_mtime_ns, path, msgspec.json.decode(path.read_bytes(), type=_Note)))
    return [(path, note) for _, path, note in sorted(found, key=itemgetter(0), reverse=True)]
