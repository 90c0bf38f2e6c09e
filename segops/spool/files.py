"""File permissions and locks of a spool."""

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
    """Check that other users can neither read nor replace the file, if it exists.

    Raises:
        SegOpsConfigError: The file or its directory is a symbolic link, open to other users, owned by one, or of the
            wrong type.
    """
    # Do not suggest to change the mode of the directory: other programs may need it as it is.
    own = path.parent / "segops-spool" / path.name
    _check(
        path.parent,
        "directory",
        stat.S_IFDIR,
        f"give the spool a directory of its own, such as {str(own)!r}, which it creates",
    )
    _check(path, "file", stat.S_IFREG, "set it to 0600")


def create(path: Path) -> None:
    """Create the file and its directory, accessible to this user only, unless they exist.

    An existing file is not opened: closing it would release the locks that SQLite holds on it (POSIX).
    """
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    check_path(path)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check(path: Path, what: str, file_type: int, fix: str) -> None:
    try:
        found = path.lstat()
    except OSError:  # missing or unreachable: opening it will raise
        return
    problem = None
    if stat.S_ISLNK(found.st_mode):
        problem = "is a symbolic link: pass the path of its target"
    elif stat.S_IFMT(found.st_mode) != file_type:
        problem = f"is not a {what}: pass another path"
    elif os.name == "posix" and found.st_uid not in (os.geteuid(), 0):
        problem = "belongs to another user: run as that user, or pass a path of your own"
    elif os.name == "posix" and found.st_mode & _OTHERS:
        problem = f"is open to other users (mode {stat.S_IMODE(found.st_mode):04o}): {fix}"
    if problem:
        raise SegOpsConfigError(f"spool {what} {str(path)!r} {problem}")


class Lock:
    """A lock between processes that is released when its process ends, however it ends.

    It is an exclusive transaction on an empty SQLite file that is never written. That is portable, does not depend on
    clocks or process ids, and is not inherited by a forked child.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def acquire(cls, path: Path, timeout: float = 0.0) -> Lock | None:
        """Lock the file, creating it if necessary; return None if another process holds it for `timeout` seconds."""
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
        """Release the lock, and `remove` the file if it is no longer needed."""
        if remove:
            self.path.unlink(missing_ok=True)
        self._connection.close()

    def abandon(self) -> None:
        """Close the file in a forked child, without releasing the lock of the parent."""
        self._connection.close()


def new_lease() -> str:
    """Return a new name for the lease of a process."""
    return uuid.uuid4().hex


def lease_path(path: Path, lease: str) -> Path:
    """Return the file whose lock is the lease."""
    return path.with_name(f"{path.name}-lease-{lease}")


def leases(path: Path) -> list[str]:
    """Return all leases, including those of processes that have ended."""
    prefix = f"{path.name}-lease-"
    found = (file.name.removeprefix(prefix) for file in path.parent.iterdir() if file.name.startswith(prefix))
    return [name for name in found if is_lease(name)]


def has_dead_lease(path: Path) -> bool:
    """Return whether a process has ended that left its lease, because it held batches or was killed."""
    for lease in leases(path):
        lock = Lock.acquire(lease_path(path, lease))
        if lock is not None:
            lock.release(remove=False)
            return True
    return False


def is_lease(name: str) -> bool:
    """Return whether a name that was read from a file has the form that `new_lease` returns."""
    return len(name) == _TOKEN_LENGTH and all(letter in "0123456789abcdef" for letter in name)
