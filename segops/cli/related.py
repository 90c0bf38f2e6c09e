"""Find the methods that belong to another one: those that wait for what it started, and the one that downloads it.

They are recognized by their verbs: for `export` these are `wait-for-export` and `download-export`, for `recompute` it
is `recompute-and-wait`. So the namespaces of third-party plugins get `--wait` and `--to` too.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.plugins.admin import Method


class RelatedMethods(msgspec.Struct, frozen=True):
    """The methods that `--wait` and `--to` call.

    Attributes:
        blocking: Does the same and waits.
        wait: Waits for what the method returned.
        download: Writes the outcome to a file.
    """

    blocking: Method | None
    wait: Method | None
    download: Method | None

    @property
    def waiting(self) -> Method | None:
        """The method that `--wait` calls."""
        return self.blocking or self.wait


def find_related(method: Method, methods: Mapping[str, Method]) -> RelatedMethods:
    """Return the methods related to one, out of those of its namespace by verb."""
    wait = methods.get(f"wait-for-{method.verb}")
    return RelatedMethods(
        blocking=methods.get(f"{method.verb}-and-wait"),
        wait=wait,
        download=methods.get(f"download-{method.verb}") if wait is not None else None,
    )
