"""Lock files against other processes."""

from __future__ import annotations

import sys


def try_to_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; return False if another process has locked it.

    On a file system without locks, as some network and FUSE file systems are, and on Windows, it returns True.
    """
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415 - not on Windows, and most programs lock no file

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # ENOSYS, ENOLCK, EPERM, …, depending on the file system
            return True
    return True
