"""The built-in plugins.

Each is imported by an ordinary statement, so that PyInstaller, Nuitka, and zipapp find it. A module that registers a
plugin loads what is expensive on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

_NAMES = (
    "transports",
    "brokers",
    "logging",
    "local",
    "ai_referrer",
    "admin",
    "demo",
    "dev",
    "spool",
    "forward",
    "commands",
)


def _load(name: str) -> object:  # noqa: PLR0911 - a table
    match name:
        case "transports":
            from segops import transports  # noqa: PLC0415

            return transports
        case "brokers":
            from segops import brokers  # noqa: PLC0415

            return brokers
        case "logging":
            from segops.plugins import logging  # noqa: PLC0415

            return logging
        case "local":
            from segops.emulator import plugin as emulator  # noqa: PLC0415

            return emulator
        case "ai_referrer":
            from segops.plugins import ai_referrer  # noqa: PLC0415

            return ai_referrer
        case "admin":
            from segops.plugins import admin  # noqa: PLC0415

            return admin
        case "demo":
            from segops import demo  # noqa: PLC0415

            return demo
        case "dev":
            from segops import devserver  # noqa: PLC0415

            return devserver
        case "spool":
            from segops.spool import plugin as spool  # noqa: PLC0415

            return spool
        case "forward":
            from segops import forward  # noqa: PLC0415

            return forward
        case _:
            from segops.cli import plugin as commands  # noqa: PLC0415

            return commands


BUILT_IN_PLUGINS: Mapping[str, Callable[[], object]] = {name: partial(_load, name) for name in _NAMES}
"""Functions that import the built-in plugins, by name."""


def built_in_plugins(*, has_on_error: bool) -> Mapping[str, Callable[[], object]]:
    """Return the built-in plugins of a client.

    Args:
        has_on_error: Whether the application has its own `on_error`: then the log does not print on stderr.
    """
    return {**BUILT_IN_PLUGINS, "logging": _quiet_logging} if has_on_error else BUILT_IN_PLUGINS


def _quiet_logging() -> object:
    from segops.plugins.logging import LogObserver  # noqa: PLC0415

    return LogObserver(is_quiet=True)
