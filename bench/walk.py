"""Iterate over a list with one of the packages, and print the seconds: `python walk.py PACKAGE URL ITEMS`.

A first walk looks at each item. The second, which is timed, does not: both give dicts, so reading costs both the same.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from importlib import import_module

QUERY = {"page_size": 200}


def main(package: str, url: str, items: int) -> None:
    admin = import_module(package).SegOpsAdmin("sk_bench", base_url=f"{url}/api")
    assert sum(item["id"] for item in admin.segments.iterate(QUERY)) == items * (items - 1) // 2
    started = time.perf_counter()
    deque(admin.segments.iterate(QUERY), maxlen=0)
    seconds = time.perf_counter() - started
    print(seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
