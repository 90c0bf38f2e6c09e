"""Open a transport or a spool: an object is used as it is, a URL goes to the plugin that registered its scheme."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from segops.core.errors import SegOpsConfigError, SegOpsPluginError
from segops.core.http import Transport, TransportFactory
from segops.core.spool import Spool, SpoolFactory
from segops.utils import absolute_path


def open_transport(given: Transport | str, factories: Mapping[str, TransportFactory]) -> Transport:
    """Return a transport, made from a URL if necessary.

    Args:
        given: A transport or a URL.
        factories: Functions that make transports, by URL scheme.

    Raises:
        SegOpsConfigError: `given` is neither, or no plugin registered its scheme.
        SegOpsPluginError: The plugin that registered the scheme made something else.
    """
    if isinstance(given, Transport):
        return given
    if not isinstance(given, str):
        raise SegOpsConfigError(f"transport must be a URL or a Transport instance, got {type(given).__name__}")
    transport = _make("transport", given, factories)
    if not isinstance(transport, Transport):
        raise _wrong_type("Transport", given, transport)
    return transport


def open_spool(given: Spool | str | os.PathLike[str], factories: Mapping[str, SpoolFactory]) -> Spool:
    """Return a spool, made from a URL or from the path of a disk spool if necessary.

    Args:
        given: A spool, a path, or a URL.
        factories: Functions that make spools, by URL scheme.

    Raises:
        SegOpsConfigError: `given` is none of these, or no plugin registered its scheme.
        SegOpsPluginError: The plugin that registered the scheme made something else.
    """
    if isinstance(given, Spool):
        return given
    if not isinstance(given, str | os.PathLike):
        raise SegOpsConfigError(f"spool must be a path, a URL, or a Spool instance, got {type(given).__name__}")
    is_url = isinstance(given, str) and (_scheme_of(given) in factories or "://" in given)
    url = str(given) if is_url else _file_url(absolute_path("spool", given))
    spool = _make("spool", url, factories)
    if not isinstance(spool, Spool):
        raise _wrong_type("Spool", url, spool)
    return spool


def _file_url(path: str) -> str:
    from pathlib import Path  # noqa: PLC0415 - loads urllib.parse

    return Path(path).as_uri()


def _make(what: str, url: str, factories: Mapping[str, Callable[[str], object]]) -> object:
    scheme = _scheme_of(url)
    if scheme not in factories:
        known = ", ".join(f"{name}:" for name in sorted(factories))
        problem = f"unknown URL scheme {scheme!r}" if scheme else "URL without a scheme"
        raise SegOpsConfigError(f"{what}: {problem}: expected one of {known}")
    return factories[scheme](url)


def _wrong_type(expected: str, url: str, made: object) -> SegOpsPluginError:
    return SegOpsPluginError(
        f"the plugin that registered {_scheme_of(url)}: must return a {expected}, got {type(made).__name__}"
    )


def _scheme_of(url: str) -> str:
    """Return the scheme in lower case; empty if there is none, as in a key that was passed in the place of a URL."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    return found[1].lower() if found else ""
