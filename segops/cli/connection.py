"""The flags that say which SegOps a command talks to, and with which key."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from segops import SegOpsAdmin, SegOpsConfigError
from segops.utils import decode_text, expand_home

_MAX_DIGITS = 9


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `open_admin` reads."""
    group = parser.add_argument_group("connection")
    add_address_flags(group)
    group.add_argument(
        "--request-timeout",
        metavar="SECONDS",
        type=_parse_seconds,
        default=30.0,
        help="timeout of a single attempt (default: %(default)g)",
    )
    group.add_argument(
        "--max-retries",
        metavar="N",
        type=_parse_count,
        default=3,
        help="retries after 429, 5xx or no response (default: %(default)s)",
    )


def add_address_flags(group: argparse._ActionsContainer) -> None:
    """Add the flags for the URL and the key alone."""
    group.add_argument("--api-url", metavar="URL", help="base URL of SegOps (default: SEGOPS_API_URL)")
    group.add_argument(
        "--api-key-file", metavar="FILE", help="file that contains the API key (default: SEGOPS_API_KEY)"
    )


def open_admin(args: argparse.Namespace) -> SegOpsAdmin:
    """Return an admin client for the parsed connection flags.

    Raises:
        SegOpsConfigError: The key or the URL cannot be used.
    """
    return SegOpsAdmin(
        read_key(args), base_url=args.api_url, timeout=args.request_timeout, max_retries=args.max_retries
    )


def read_key(args: argparse.Namespace) -> str | None:
    """Return the key in the file given by `--api-key-file`, or None without that flag.

    Raises:
        SegOpsConfigError: The file cannot be read, or is empty.
    """
    name = args.api_key_file
    if name is None:
        return None
    try:
        key = decode_text(Path(expand_home(name)).read_bytes()).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsConfigError(
            f"--api-key-file: cannot read {name!r} ({reason}): pass a file that contains the key"
        ) from None
    if not key:
        raise SegOpsConfigError(f"--api-key-file: {name!r} is empty: pass a file that contains the key")
    return key


def _parse_seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, got {text[:40]!r}")
    return value


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text[:40]!r}")
    return int(text)
