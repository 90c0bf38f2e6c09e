"""The disk spool: an SQLite file in which batches wait until the server accepts them.

Names are loaded on first use: importing this package does not load SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.spool.contents import Waiting, export_spool, inspect_spool, purge_spool
    from segops.spool.spool import DiskSpool

__all__ = ["DiskSpool", "Waiting", "export_spool", "inspect_spool", "purge_spool"]


if not TYPE_CHECKING:  # type checkers would take every misspelt name for one that is loaded

    def __getattr__(name: str) -> Any:
        """Load a public name on first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from segops.spool import contents, spool  # noqa: PLC0415 - both load SQLite

        return getattr(spool if name == "DiskSpool" else contents, name)
