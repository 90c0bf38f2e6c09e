"""`segops whoami`: which SegOps, which key, and whether they go together."""

from __future__ import annotations

import argparse

from segops.cli.connection import add_connection_flags, open_admin
from segops.cli.output import Output, add_output_flags
from segops.environment import read_environment

PROBE = "/analytics/overview/"
"""An endpoint that every secret key may read, and that changes nothing. Source: wire-protocol.md, section 6.10."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops whoami` takes."""
    add_output_flags(parser)
    add_connection_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask SegOps whether it takes the key, and print what is known; no endpoint tells the name of the workspace.

    Raises:
        SegOpsError: The key is refused, or SegOps cannot be reached.
    """
    with open_admin(arguments) as admin:
        overview = admin.http.request("GET", PROBE)
        url = admin.transport.url
    source = (
        "--api-key-file" if arguments.api_key_file else "SEGOPS_API_KEY" if read_environment().api_key else "the URL"
    )
    known = {"api_url": url, "key": "secret (sk_)", "key_from": source, "accepted": True}
    Output(arguments).show_document({**known, **(overview if isinstance(overview, dict) else {})})
    return 0
