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
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SegOpsClient(flush_interval=0.5) as client:  # soon, so that events appear as you click
        server = SERVERS[arguments.framework](client, arguments.port)
        sys.stdout.write(f"The shop:        {server.url}/\n")
        sys.stdout.write(f"Its events:      {os.environ['SEGOPS_API_URL']}/\nPress Ctrl-C to stop.\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    return 0


sys.exit(main())
