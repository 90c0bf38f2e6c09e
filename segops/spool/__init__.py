"""The disk spool: batches that wait in an SQLite file until the server takes them.

Names are loaded on first use: importing this package does not load SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.spool.contents import Waiting, export_spool, inspect_spool, purge_spool
    from segops.spool.opening import plan_spool

__all__ = ["Waiting", "export_spool", "inspect_spool", "plan_spool", "purge_spool"]


if not TYPE_CHECKING:  # type checkers would take every misspelt name for one that is loaded

    def __getattr__(name: str) -> Any:
        """Load the module of a public name on first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from segops.spool import contents, opening  # noqa: PLC0415 - both load SQLite

        return getattr(opening if name == "plan_spool" else contents, name)
