"""The arguments of `segops forward`."""

from __future__ import annotations

import argparse
import math

from segops import SegOpsConfigError
from segops.cli import add_output_flags

ACTIONS = ("status", "dead list", "dead replay", "dead purge")

_MAX_SHARDS = 1024
_FORWARDING = {"to": None, "api_key_file": None, "once": False, "metrics": None, "rate": None, "lease": None}
"""The flags of `segops forward URL`, with what they are if not passed."""

_DESCRIPTION = """\
segops forward URL               send the events in a broker to SegOps until stopped
segops forward status URL        show what waits in each shard, and who works on it
segops forward dead list URL     show events that SegOps rejected, or that cannot be read
segops forward dead replay URL   send them again
segops forward dead purge URL    delete them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"{parser.description}\n\n{_DESCRIPTION}"
    parser.add_argument("words", nargs="+", metavar="ACTION|URL", help="such as redis+stream://host:6379/0")
    parser.add_argument("--shards", metavar="LIST", help="only these shards, such as 0-3,8 (default: a fair share)")
    group = parser.add_argument_group("forwarding")
    group.add_argument("--to", metavar="API_URL", help="base URL of SegOps (default: SEGOPS_API_URL)")
    group.add_argument("--api-key-file", metavar="FILE", help="file with the secret key (default: SEGOPS_API_KEY)")
    group.add_argument("--once", action="store_true", help="stop when all that waits at the start is sent")
    group.add_argument(
        "--metrics", metavar="PORT|-", help="serve metrics on [ADDRESS:]PORT, or print JSON lines on a terminal, too"
    )
    group.add_argument(
        "--rate",
        metavar="N",
        type=_parse_rate,
        help="requests per minute, over all forwarders of this API key; 0 for no limit (default: 60)",
    )
    group.add_argument(
        "--lease",
        metavar="SECONDS",
        type=_parse_lease,
        help="take over the shards of a killed forwarder after this time; a request may take a third (default: 30)",
    )
    parser.add_argument("--yes", dest="assume_yes", action="store_true", help="with dead purge: confirm the deletion")
    add_output_flags(parser)


def find_action(args: argparse.Namespace) -> tuple[str, str]:
    """Return the action, which is empty for forwarding, and the URL.

    Raises:
        SegOpsConfigError: The action is unknown, there is not one URL, or a flag has no effect on the action.
    """
    *words, url = args.words
    action = " ".join(words)
    if action not in ("", *ACTIONS) or url in {"status", "dead", "list", "replay", "purge"}:
        raise SegOpsConfigError(
            f"cannot tell what `forward {' '.join(args.words)[:80]}` means: write `segops forward URL`, or "
            f"{', '.join(f'`segops forward {each} URL`' for each in ACTIONS)}"
        )
    unused = [name for name, default in _FORWARDING.items() if action and getattr(args, name) != default]
    unused += ["assume_yes"] if args.assume_yes and action != "dead purge" else []
    if not action:
        unused += [name for name in ("format", "fields", "safe_csv") if getattr(args, name)]
    if unused:
        flag = {"assume_yes": "yes", "format": "output"}.get(unused[0], unused[0]).replace("_", "-")
        raise SegOpsConfigError(f"--{flag} has no effect on `forward {action or 'URL'}`: leave it out")
    return action, url


def read_shards(text: str | None) -> frozenset[int] | None:
    """Return the shards of a list such as "0-3,8"; None for all.

    Raises:
        SegOpsConfigError: The text is not such a list.
    """
    if text is None:
        return None
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        bounds = [first, last if dash else first]
        if not all(each.isascii() and each.isdecimal() and int(each[:9]) < _MAX_SHARDS for each in bounds):
            raise SegOpsConfigError(f"--shards must be a list such as 0-3,8, got {text[:40]!r}")
        found.update(range(int(bounds[0]), int(bounds[1]) + 1))
    if not found:
        raise SegOpsConfigError(f"--shards must be a list such as 0-3,8, got {text[:40]!r}")
    return frozenset(found)


def _parse_rate(text: str) -> float:
    return _parse_number(text, 0, "a number of requests, or 0 for no limit")


def _parse_lease(text: str) -> float:
    return _parse_number(text, 0.5, "a number of seconds from 0.5 on")


def _parse_number(text: str, minimum: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not minimum <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be {what}, got {text[:40]!r}")
    return value
