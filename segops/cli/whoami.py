"""`segops whoami`: show the URL and the key in use, and whether SegOps accepts the key."""

from __future__ import annotations

import argparse

from segops.cli.connection import add_connection_flags, open_admin
from segops.cli.output import Output, add_output_flags
from segops.environment import read_environment

PROBE = "/analytics/overview/"
"""An endpoint that every secret key may read; reading it changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops whoami`."""
    add_output_flags(parser)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is known. No endpoint returns the name of the workspace, so its figures are shown.

    Raises:
        SegOpsError: The key is refused, or SegOps cannot be reached.
    """
    with open_admin(args) as admin:
        overview = admin.http.request("GET", PROBE)
        url = admin.transport.url
    source = "--api-key-file" if args.api_key_file else "SEGOPS_API_KEY" if read_environment().api_key else "URL"
    known = {"api_url": url, "key": "secret (sk_)", "key_from": source, "accepted": True}
    Output(args).show_document({**known, **(overview if isinstance(overview, dict) else {})})
    return 0
