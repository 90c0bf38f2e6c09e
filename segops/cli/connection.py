"""Which SegOps a command talks to, and with which key."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from segops import SegOpsAdmin, SegOpsConfigError
from segops.utils import decode_text, expand_home


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which SegOps to talk to and how."""
    group = parser.add_argument_group("connection")
    add_address_flags(group)
    group.add_argument(
        "--request-timeout", metavar="SECONDS", type=_seconds, default=30.0, help="for one attempt (%(default)g)"
    )
    group.add_argument(
        "--max-retries",
        metavar="N",
        type=_count,
        default=3,
        help="repetitions after 429, 5xx or no answer (%(default)s)",
    )


def add_address_flags(group: argparse._ActionsContainer) -> None:
    """Add the flags that say where it is and what the key is."""
    group.add_argument("--api-url", metavar="URL", help="the SegOps to talk to (default: SEGOPS_API_URL)")
    group.add_argument("--api-key-file", metavar="FILE", help="a file with the key (default: SEGOPS_API_KEY)")


def open_admin(arguments: argparse.Namespace) -> SegOpsAdmin:
    """Return what makes the calls.

    Raises:
        SegOpsConfigError: The key or the URL cannot be used.
    """
    return SegOpsAdmin(
        read_key(arguments),
        base_url=arguments.api_url,
        timeout=arguments.request_timeout,
        max_retries=arguments.max_retries,
    )


def read_key(arguments: argparse.Namespace) -> str | None:
    """Return the key in the file that is named; None if none is.

    Raises:
        SegOpsConfigError: It cannot be read.
    """
    name = arguments.api_key_file
    if name is None:
        return None
    try:
        key = decode_text(Path(expand_home(name)).read_bytes()).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsConfigError(
            f"--api-key-file: {name!r} cannot be read ({reason}): name a file that holds the key"
        ) from None
    if not key:
        raise SegOpsConfigError(f"--api-key-file: {name!r} is empty: name a file that holds the key")
    return key


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number of seconds above 0")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - as many as anybody can wait for
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number")
    return int(text)
