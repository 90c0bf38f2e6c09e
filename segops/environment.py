"""The only reader of environment variables."""

from __future__ import annotations

import os
import re
import sys
from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

DEFAULT_API_URL = "https://api.segops.ai"

_PREFIX = "SEGOPS_"
_SETTINGS = ("SEGOPS_API_KEY", "SEGOPS_API_URL", "SEGOPS_DISABLED", "SEGOPS_PLUGINS", "SEGOPS_SPOOL")
_GUARD = ("SEGOPS_GUARD", "SEGOPS_GUARD_REPORT")
_KNOWN = (*_SETTINGS, *_GUARD)

_FOREIGN = r"SEGOPS_(TEST_.*|(.*_)?SERVICE_(HOST|PORT)(_.*)?|(.*_)?PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)"
"""Variables of this project's tests, and those that Kubernetes sets for services whose names begin with "segops"."""

_ALIKE = 0.45
_FALSE = frozenset(("", "0", "false", "no", "off"))


class Environment(msgspec.Struct, frozen=True):
    """The settings in environment variables.

    Attributes:
        api_url: `SEGOPS_API_URL`, with or without `/api`.
        given_url: `SEGOPS_API_URL`; None if not set.
        api_key: `SEGOPS_API_KEY`.
        is_disabled: Whether `SEGOPS_DISABLED` is set to anything but 0, false, no or off.
        plugins: `SEGOPS_PLUGINS`: which plugins to load.
        spool: `SEGOPS_SPOOL`: a path or URL of the spool.
    """

    api_url: str
    given_url: str | None
    api_key: str | None
    is_disabled: bool
    plugins: str | None
    spool: str | None

    def __repr__(self) -> str:
        return f"Environment({self.api_url!r}, is_disabled={self.is_disabled})"


def read_environment() -> Environment:
    """Read the current environment variables."""
    get = os.environ.get
    given_url = _strip(get("SEGOPS_API_URL", ""))
    return Environment(
        api_url=given_url or DEFAULT_API_URL,
        given_url=given_url,
        api_key=_strip(get("SEGOPS_API_KEY", "")),
        is_disabled=get("SEGOPS_DISABLED", "").strip().lower() not in _FALSE,
        plugins=get("SEGOPS_PLUGINS"),
        spool=get("SEGOPS_SPOOL") or None,
    )


class GuardSettings(msgspec.Struct, frozen=True):
    """The settings of the guard for tests.

    Attributes:
        mode: `SEGOPS_GUARD`; empty if not set.
        report: `SEGOPS_GUARD_REPORT`: the file that lists what the guard saw; empty if not set.
        test: The running test, from pytest; empty if none is running.
    """

    mode: str
    report: str
    test: str


def read_guard() -> GuardSettings:
    """Read the settings of the guard, which change while tests run."""
    plugin = sys.modules.get("segops_pytest")  # has them, too, because tests may clear the environment
    get = os.environ.get if plugin is None else ChainMap(os.environ, plugin.guard).get
    return GuardSettings(get("SEGOPS_GUARD", ""), get("SEGOPS_GUARD_REPORT", ""), get("PYTEST_CURRENT_TEST", ""))


@contextmanager
def without_settings() -> Iterator[None]:
    """Hide the settings of the SDK, and installed plugins, from what is created inside the block."""
    hidden = {name: os.environ.pop(name) for name in _SETTINGS if name in os.environ}
    os.environ["SEGOPS_PLUGINS"] = "none"
    try:
        yield
    finally:
        del os.environ["SEGOPS_PLUGINS"]
        os.environ.update(hidden)


def read_secret(name: str) -> str | None:
    """Return the value of an environment variable that the user names, such as one with a key; None if empty."""
    return _strip(os.environ.get(name, ""))


def describe_unknown_variables() -> list[str]:
    """Return a message for each `SEGOPS_…` variable that the SDK does not read, without its value."""
    prefixed = [name for name in os.environ if name.upper().startswith(_PREFIX)]
    unknown = [name for name in prefixed if name not in _KNOWN and not re.fullmatch(_FOREIGN, name)]
    return [f"unknown environment variable {name}{_suggest(name)}" for name in sorted(unknown)]


def _suggest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

    known = [each.removeprefix(_PREFIX) for each in _KNOWN]  # the common prefix would make all names similar
    nearest = get_close_matches(name.upper().removeprefix(_PREFIX), known, n=1, cutoff=_ALIKE)
    return f": did you mean {_PREFIX}{nearest[0]}?" if nearest else f": the SDK reads {', '.join(_SETTINGS)}"


def _strip(text: str) -> str | None:
    """Return a value without byte order mark and whitespace around it, which files add; None if empty."""
    return text.strip("\ufeff \t\r\n") or None


def allows_colors() -> bool:
    """Return whether `NO_COLOR` is not set and the terminal is not dumb."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def make_child_environment(**changes: str) -> dict[str, str]:
    """Return the environment for a child process: a copy of this one with changes."""
    return {**os.environ, **changes}


def find_runtime_directory() -> str:
    """Return the directory for files that other programs of the same user look for.

    `XDG_RUNTIME_DIR`, else `segops` in `XDG_CACHE_HOME` or `~/.cache`.
    """
    get = os.environ.get
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib is slow to load
    return get("XDG_RUNTIME_DIR") or f"{get('XDG_CACHE_HOME') or f'{home}/.cache'}/segops"
