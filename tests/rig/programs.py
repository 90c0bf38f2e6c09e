"""Programs that tests start."""

from __future__ import annotations

import os
from collections.abc import Mapping


def unconfigured(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that finds no settings of the SDK in it."""
    return {name: value for name, value in environment.items() if not name.startswith("SEGOPS_")}


def unmeasured(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that is not measured for coverage.

    The tracer loads much of the standard library. It also takes a lock that a signal or a fork in the middle of it
    leaves locked, so that the program hangs: this was seen. So programs that are interrupted or fork must not have it.
    """
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE")}
