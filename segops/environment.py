"""The only reader of environment variables."""

from __future__ import annotations

import os
import re

import msgspec

DEFAULT_API_URL = "https://api.segops.ai"

_PREFIX = "SEGOPS_"
_KNOWN = ("SEGOPS_API_KEY", "SEGOPS_API_URL", "SEGOPS_DISABLED", "SEGOPS_PLUGINS", "SEGOPS_SPOOL")

_FOREIGN = re.compile(r"SEGOPS_(TEST_.*|(.*_)?SERVICE_(HOST|PORT)(_.*)?|(.*_)?PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")
"""Those of this project's tests, and those that Kubernetes sets for a service whose name begins with "segops"."""

_ALIKE = 0.45
_FALSE = frozenset(("", "0", "false", "no", "off"))


class Environment(msgspec.Struct, frozen=True):
    """What the environment says.

    Attributes:
        api_url: `SEGOPS_API_URL`, with or without `/api`.
        given_url: `SEGOPS_API_URL`; None if it is not set.
        api_key: `SEGOPS_API_KEY`.
        is_disabled: Whether `SEGOPS_DISABLED` is set to anything but 0, false, no or off.
        plugins: `SEGOPS_PLUGINS`; see `segops.composition.plugins`.
        spool: `SEGOPS_SPOOL`: the file of the disk spool.
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
    """Read the variables as they are now."""
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


def describe_unknown_variables() -> list[str]:
    """Say which variables that are set look like settings of the SDK and are none; their values are not shown."""
    prefixed = [name for name in os.environ if name.upper().startswith(_PREFIX)]
    unknown = [name for name in prefixed if name not in _KNOWN and not _FOREIGN.fullmatch(name)]
    return [f"unknown environment variable {name}{_suggest(name)}" for name in sorted(unknown)]


def _suggest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

    known = [each.removeprefix(_PREFIX) for each in _KNOWN]  # what all have in common makes nothing alike
    nearest = get_close_matches(name.upper().removeprefix(_PREFIX), known, n=1, cutoff=_ALIKE)
    return f": did you mean {_PREFIX}{nearest[0]}?" if nearest else f": the SDK reads {', '.join(_KNOWN)}"


def _strip(text: str) -> str | None:
    """Return a value without the byte order mark and line end of the file that it comes from; None if it is empty."""
    return text.strip("\ufeff \t\r\n") or None


def allows_colors() -> bool:
    """Return whether `NO_COLOR` is not set and the terminal is not a dumb one."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def make_child_environment(**changes: str) -> dict[str, str]:
    """Return the environment for a child process: this one's, with changes."""
    return {**os.environ, **changes}


def find_runtime_directory() -> str:
    """Return where a program leaves what its user's other programs look for.

    `XDG_RUNTIME_DIR`, else `segops` in `XDG_CACHE_HOME` or `~/.cache`.
    """
    get = os.environ.get
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib is slow to load
    return get("XDG_RUNTIME_DIR") or f"{get('XDG_CACHE_HOME') or f'{home}/.cache'}/segops"
