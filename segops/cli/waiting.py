"""The methods that belong to another one: those that wait for what it started, and that which fetches the outcome.

They are found by their verbs: of `export` these are `wait-for-export` and `download-export`, of `recompute` it is
`recompute-and-wait`. So a namespace of a plugin gets `--wait` and `--to`, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.plugins.admin import Method


class Companions(msgspec.Struct, frozen=True):
    """What goes with a method.

    Attributes:
        in_its_place: Does the same and waits.
        afterwards: Waits for what the method returned.
        download: Writes the outcome into a file.
    """

    in_its_place: Method | None
    afterwards: Method | None
    download: Method | None


def companions_of(method: Method, methods: Mapping[str, Method]) -> Companions:
    """Return what goes with a method, out of those of its namespace by verb."""
    afterwards = methods.get(f"wait-for-{method.verb}")
    return Companions(
        in_its_place=methods.get(f"{method.verb}-and-wait"),
        afterwards=afterwards,
        download=methods.get(f"download-{method.verb}") if afterwards is not None else None,
    )
