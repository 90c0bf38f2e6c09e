"""Go through a list with the package that is named, and print the seconds: `python walk.py PACKAGE URL ITEMS`.

The items are counted where it costs least: they are dicts on both sides, so a loop that reads them costs both the same.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from importlib import import_module


def main(package: str, url: str, items: int) -> None:
    admin = import_module(package).SegOpsAdmin("sk_bench", base_url=f"{url}/api")
    started = time.perf_counter()
    last = deque(enumerate(admin.segments.iterate({"page_size": 200})), maxlen=1)
    seconds = time.perf_counter() - started
    assert [(place, item["id"]) for place, item in last] == [(items - 1, items - 1)]
    print(seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
