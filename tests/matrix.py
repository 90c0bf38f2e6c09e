"""Find the tests of each row of the reliability table, and write the table into docs/reliability.md.

A test belongs to a row if its name contains `row_N` or `rows_N_and_M`, or its docstring begins with "Row N".
`python tests/matrix.py` regenerates the table.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"
HEADING = "## Reliability table"
FAULTS = """
DNS failure|connection refused|a server that accepts and never responds|a connection reset during a request
a stale keep-alive connection|the response is lost|a peer that is paused|a response byte by byte
TLS: expired, wrong host, unknown authority|a proxy that responds with 407, or is down|an outage of 24 hours
429 with each form of `Retry-After`|500 and 503 at a success rate of 1 %|413|400 because of one event in a hundred
a revoked key|a redirect to another host|a gzip bomb|an endless body or endless headers|a success that is not JSON
202 with `skipped`|exit without `shutdown()`|SIGTERM|SIGKILL|the first event inside `atexit`
a thread that would block the exit|`track` after `shutdown`|a fork at any moment|gunicorn `--preload`, Celery prefork
a client passed to a spawned child|uWSGI without threads, or no threads at all|gevent|a frozen process|a subinterpreter
a worker thread that dies|`kill -9` at any moment|a flipped bit in a batch|a full disk|a disk that cannot sync
a directory that is read-only, missing or deleted|processes that share a spool|a crash between request and response
a malformed database, or a newer format|`track` in a signal handler|`track` in a destructor
the log of the SDK routed into `track`|a payload that is modified after the call
a plugin that raises, hangs, or returns garbage|50 threads that track, flush and close|an invalid key, URL or option
a burst of a million events|a clock that jumps|NaN and infinities|lone surrogates|integers beyond 64 bits
cycles and endless nesting|subclasses of str and int|types that JSON lacks|hostile and unknown objects
keys with the same text|an event above the size limit|a missing or invalid user id or event type
a `next` link that points elsewhere, or loops|ids such as `..` and `a/b`|control characters in a key or header
forged webhooks|secrets in logs, repr, exceptions, pickles, the spool|a spool that others can read, or a symbolic link
a secret key over plain HTTP|a secret key in a browser
"""
ROWS = [fault for line in FAULTS.split("\n") for fault in line.split("|") if fault]

_NUMBERS = r"\d+(?:(?:, | and | to )\d+)*"
_NAME = re.compile(r"(?:^|_)rows?((?:_(?:and_|to_)?\d+)+)")
_DOCSTRING = re.compile(rf"Rows? ({_NUMBERS})")


def rows_of(test: ast.FunctionDef) -> set[int]:
    """Return the rows that a test covers, by its name and docstring."""
    said = [found[1] for found in [_NAME.search(test.name), _DOCSTRING.match(ast.get_docstring(test) or "")] if found]
    return {row for text in said for row in _numbers(text.replace("_", " "))}


def _numbers(text: str) -> set[int]:
    spans = [(int(first), int(last or first)) for first, last in re.findall(r"(\d+)(?: to (\d+))?", text)]
    return {row for first, last in spans for row in range(first, last + 1)}


def shown_by() -> dict[int, list[str]]:
    """Return the tests of each row, as file::name."""
    found: dict[int, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                for row in rows_of(node):
                    found.setdefault(row, []).append(f"{file.relative_to(TESTS).as_posix()}::{node.name}")
    return {row: sorted(names) for row, names in sorted(found.items())}


def table(found: dict[int, list[str]]) -> str:
    """Return the table."""
    lines = [HEADING, "", "The tests are in `tests/`. `python tests/matrix.py` generates this table from them."]
    lines += ["", "| Row | Fault | Tests |", "|---|---|---|"]
    for row, fault in enumerate(ROWS, 1):
        lines.append(f"| {row} | {fault} | {'<br>'.join(f'`{name}`' for name in found.get(row, []))} |")
    return "\n".join([*lines, ""])


def listed(page: str) -> dict[int, list[str]]:
    """Read the table of the page."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", page.partition(HEADING)[2], re.MULTILINE)
    return {int(row): re.findall(r"`([^`]+::[^`]+)`", names) for row, names in rows}


def main() -> None:
    """Replace the table of the page, or append it."""
    before, _, rest = PAGE.read_text().partition(HEADING)
    end = rest.find("\n## ")
    after = rest[end:] if end >= 0 else ""
    PAGE.write_text(before.rstrip("\n") + "\n\n" + table(shown_by()) + after)


if __name__ == "__main__":
    main()
