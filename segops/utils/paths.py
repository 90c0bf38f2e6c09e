"""Read paths from options, environment variables and URLs."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from segops.core.errors import SegOpsConfigError

_CONTROL = frozenset(map(chr, [*range(0x20), 0x7F]))
_MARKS = frozenset("%?#[]")


class LocalUrl(msgspec.Struct, frozen=True):
    """A URL that names no server.

    Attributes:
        path: What follows the scheme, percent-decoded; may be empty.
        options: The parameters of the query, by name.
    """

    path: str
    options: Mapping[str, str] = {}


def absolute_path(what: str, path: str | os.PathLike[str]) -> str:
    """Return an absolute path, with `~` expanded. Symbolic links are not resolved.

    Args:
        what: What the path is for; error messages begin with it.
        path: The path.

    Raises:
        SegOpsConfigError: It is not a path, or relative to a directory that is gone.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise SegOpsConfigError(f"{what} must be the path of a file, got {type(path).__name__}")
    if not text or "\0" in text:
        raise SegOpsConfigError(f"{what} must be the path of a file, got {text!r}")
    expanded = expand_home(text)
    if expanded == "~" or expanded.startswith("~/"):
        raise SegOpsConfigError(f"{what}: cannot expand {text!r}, because HOME is not set: pass an absolute path")
    try:
        return os.path.abspath(expanded)  # noqa: PTH100 - Path.resolve would follow links
    except OSError as error:
        raise SegOpsConfigError(
            f"{what}: {text!r} is relative to the working directory, which no longer exists ({error.strerror}): "
            "pass an absolute path"
        ) from error


def expand_home(path: str | os.PathLike[str]) -> str:
    """Return a path with `~` expanded, which shells do not do in every place."""
    return os.path.expanduser(os.fspath(path))  # noqa: PTH111 - pathlib is slow to load, and raises without a home


def parse_local_url(url: str, *, example: str, has_path: bool = False, options: tuple[str, ...] = ()) -> LocalUrl:
    """Parse the URL of something on this machine. Anything unexpected in it is an error.

    Args:
        url: The URL, such as "file:///var/log/e.ndjson?backups=3".
        example: An example of a valid URL, for error messages.
        has_path: Whether a path may follow the scheme.
        options: The names that its query may have, each once.

    Raises:
        SegOpsConfigError: It has a host, user info, a fragment, an unknown option, an unexpected path, or
            characters that must be percent-encoded.
    """
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if not _CONTROL.isdisjoint(url):  # urlsplit would leave some of them out
        raise SegOpsConfigError(f"the {scheme}: URL contains a control character: percent-encode it")
    if _is_plain_path(rest) and (has_path or not rest):
        return LocalUrl(_on_this_system(rest))
    from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit  # noqa: PLC0415 - half a megabyte

    try:
        parts = urlsplit(url)
    except ValueError:
        raise SegOpsConfigError(f"the {scheme}: URL has unbalanced brackets: write {example}") from None
    if "@" in parts.netloc:
        raise SegOpsConfigError(f"the {scheme}: URL has user info (user:password@): write {example}")
    if not has_path and (parts.netloc or parts.path):
        raise SegOpsConfigError(
            f"the {scheme}: URL must end after the scheme, got {parts.netloc + parts.path!r}: write {example}"
        )
    if parts.netloc not in {"", "localhost"}:
        raise SegOpsConfigError(
            f"the {scheme}: URL has the host {parts.netloc!r}: write {example}, "
            f"or {scheme}:///{parts.netloc}{parts.path} for an absolute path"
        )
    if parts.fragment:
        raise SegOpsConfigError(
            f"the {scheme}: URL has the fragment '#{parts.fragment}': write {example}, with %23 for # in a path"
        )
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in options:
            raise SegOpsConfigError(_unknown_option(scheme, name, options, example))
        if name in found:
            raise SegOpsConfigError(f"the {scheme}: URL repeats the option {name!r}: write it once")
        found[name] = value
    try:
        path = os.fsdecode(unquote_to_bytes(os.fsencode(parts.path)))
    except UnicodeError:
        raise SegOpsConfigError(f"the {scheme}: URL contains a lone surrogate: remove it") from None
    return LocalUrl(_on_this_system(path), found)


def _is_plain_path(text: str) -> bool:
    """Return whether what follows a scheme is a plain path, which needs no URL parser."""
    return text.isascii() and "//" not in text and _MARKS.isdisjoint(text)


def _unknown_option(scheme: str, name: str, options: tuple[str, ...], example: str) -> str:
    if not options:
        return f"the {scheme}: URL has the unknown option {name!r}: write {example}"
    return f"the {scheme}: URL has the unknown option {name!r}: use {' or '.join(options)}"


def _on_this_system(path: str) -> str:
    """Return the path on this system: "/C:/logs" in a URL is "C:/logs" on Windows."""
    if os.name == "nt" and path[:1] == "/" and path[1:2].isalpha() and path[2:3] in {":", "|"}:
        return f"{path[1]}:{path[3:]}"
    return path
