"""Go through a list with the package that is named, and print the seconds: `python walk.py PACKAGE URL ITEMS`."""

from __future__ import annotations

import sys
import time
from importlib import import_module


def main(package: str, url: str, items: int) -> None:
    admin = import_module(package).SegOpsAdmin("sk_bench", base_url=f"{url}/api")
    started = time.perf_counter()
    total = sum(item["id"] for item in admin.segments.iterate({"page_size": 200}))
    seconds = time.perf_counter() - started
    assert total == items * (items - 1) // 2
    print(seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
