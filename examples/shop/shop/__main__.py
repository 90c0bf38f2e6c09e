"""Run the shop: `segops dev run -- python -m shop fastapi`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys

from segops import SegOpsClient
from shop.servers import SERVERS


def main() -> int:
    """Serve the shop until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="shop")
    parser.add_argument("framework", choices=SERVERS)
    parser.add_argument("--port", type=int, default=8010, help="0 for a free one")
    arguments = parser.parse_args()
    if "SEGOPS_API_URL" not in os.environ:
        parser.error("SEGOPS_API_URL is not set: run make shop, or segops dev run -- python -m shop")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SegOpsClient(flush_interval=0.5) as client:  # soon, so that events appear as you click
        try:
            server = SERVERS[arguments.framework](client, arguments.port)
        except OSError as error:
            parser.error(
                f"cannot listen on port {arguments.port} ({os.strerror(error.errno or 0)}): use another --port"
            )
        sys.stdout.write(f"The shop:        {server.url}/\n")
        sys.stdout.write(f"Its events:      {os.environ['SEGOPS_API_URL']}/\nPress Ctrl-C to stop.\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    return 0


sys.exit(main())
