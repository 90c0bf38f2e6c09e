"""The files of a spool: who may read them, and who holds them."""

from __future__ import annotations

import os
import sqlite3
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from segops.core import SegOpsConfigError

_OTHERS = 0o077
_TOKEN_LENGTH = 32


def check_path(path: Path) -> None:
    """See that nobody else can read or replace the file; what does not exist yet is no fault.

    Raises:
        SegOpsConfigError: The file or its directory is a symbolic link, open to others, somebody else's, or of the
            wrong kind.
    """
    # Others may need the directory as it is, so nobody is told to change its mode.
    own = path.parent / "segops-spool" / path.name
    _check(
        path.parent,
        "directory",
        stat.S_IFDIR,
        f"give the spool a directory of its own, such as {str(own)!r}, which it makes",
    )
    _check(path, "file", stat.S_IFREG, "set it to 0600")


def create(path: Path) -> None:
    """Make the file, and its directory, for this user alone, unless they exist.

    An existing file is not opened: to close it again would release the locks that SQLite holds on it (POSIX).
    """
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    check_path(path)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check(path: Path, kind: str, wanted: int, remedy: str) -> None:
    try:
        found = path.lstat()
    except OSError:  # missing, or not to be reached: opening it will tell
        return
    problem = None
    if stat.S_ISLNK(found.st_mode):
        problem = "is a symbolic link, and none is followed: name its target"
    elif stat.S_IFMT(found.st_mode) != wanted:
        problem = f"is no {kind}: name one"
    elif os.name == "posix" and found.st_uid not in (os.geteuid(), 0):
        problem = "belongs to another user: run as that user, or name one of your own"
    elif os.name == "posix" and found.st_mode & _OTHERS:
        problem = f"is open to others (mode {stat.S_IMODE(found.st_mode):04o}): {remedy}"
    if problem:
        raise SegOpsConfigError(f"the spool's {kind} {str(path)!r} {problem}")


class Lock:
    """A lock between processes that ends with its process, however that ends.

    It is an exclusive transaction on an empty SQLite file that is never written: portable, exact whatever the clocks
    say and whichever process id is used again, and not inherited by a forked child.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def acquire(cls, path: Path, timeout: float = 0.0) -> Lock | None:
        """Lock the file, making it if needed; None if somebody else has it for all of `timeout` seconds."""
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=MEMORY")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            if "locked" in str(error):
                return None
            raise
        return cls(path, connection)

    def release(self, *, remove: bool) -> None:
        """Give it back; `remove` the file if nobody will ask for it any more."""
        if remove:
            self.path.unlink(missing_ok=True)
        self._connection.close()

    def abandon(self) -> None:
        """Let go of it in a forked child, which never had it: the parent keeps it."""
        self._connection.close()


def new_lease() -> str:
    """Return a name for what one process holds."""
    return uuid.uuid4().hex


def lease_path(path: Path, lease: str) -> Path:
    """Return the file whose lock is the lease."""
    return path.with_name(f"{path.name}-lease-{lease}")


def leases(path: Path) -> list[str]:
    """Return the leases that there are, of living and of dead processes."""
    prefix = f"{path.name}-lease-"
    found = (file.name.removeprefix(prefix) for file in path.parent.iterdir() if file.name.startswith(prefix))
    return [name for name in found if is_lease(name)]


def is_lease(name: str) -> bool:
    """Tell whether a name that was read from a file is one that `new_lease` makes."""
    return len(name) == _TOKEN_LENGTH and all(letter in "0123456789abcdef" for letter in name)
