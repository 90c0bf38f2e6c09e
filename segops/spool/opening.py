"""Plans the spool of a client."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from segops.core import Limits, OpenSpool
from segops.spool.files import check_path
from segops.spool.spool import DiskSpool
from segops.utils import absolute_path


def plan_spool(path: str | os.PathLike[str], *, limits: Limits, always: bool, owned: bool) -> OpenSpool:
    """Return what opens the spool of a client, in each process that it lives in.

    Raises:
        SegOpsConfigError: `path` is no path, or the file or its directory is open to others or a symbolic link.
    """
    absolute = Path(absolute_path("spool", path))
    check_path(absolute)
    return partial(DiskSpool, absolute, limits=limits, always=always, owned=owned)
