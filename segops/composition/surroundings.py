"""Warn about mistakes in the environment of the process."""

from __future__ import annotations

import functools
import sys

from segops.environment import describe_unknown_variables
from segops.utils import log


@functools.cache
def warn_about_surroundings() -> None:
    """Log misspelled environment variables and conflicting distributions, once per process."""
    for message in describe_unknown_variables():
        log("warning", "segops.environment.unknown_variable", error=message)
    # The search for plugins has loaded this module. Without a search, the check is not worth the time to load it.
    if "importlib.metadata" in sys.modules and (conflict := describe_conflict()):
        log("warning", "segops.environment.conflict", error=conflict)


def describe_conflict() -> str | None:
    """Return what to do if another distribution owns the folder `segops`, too; None if there is none."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - slow to load

    try:
        for name in ("segops", "segops-sdk"):
            distribution(name)
    except PackageNotFoundError:
        return None
    return (
        "the distributions segops and segops-sdk are both installed and overwrite each other's files: "
        "run pip uninstall segops segops-sdk, then pip install segops-sdk"
    )
