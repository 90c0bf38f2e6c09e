"""Write the list of commands in docs/cli.md: `python -m tools.cli_reference [FOLDER]`.

A test fails when the list is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from segops.cli.namespaces import namespace_commands
from segops.cli.tree import Node, build_tree
from segops.composition import BUILT_IN_PLUGINS
from segops.core import Command
from segops.plugins.admin import load_resources

PAGE = "docs/cli.md"
BEGIN = "<!-- commands: written by python -m tools.cli_reference -->\n"
END = "<!-- end of commands -->\n"

_SHARED = re.compile(
    r" \[(options|-h|--safe-csv|(-o|--fields|--api-url|--api-key-file|--request-timeout|--max-retries) [^\]]*)\]"
)


def make_reference() -> str:
    """Return the list of all built-in commands, as Markdown."""
    built_in: dict[str, Command] = {}
    for load in BUILT_IN_PLUGINS.values():
        register = getattr(load(), "segops_register_commands", list)
        built_in |= {command.name: command for command in register()}
    return "\n".join(_section(node) for node in build_tree(namespace_commands(load_resources()) | built_in))


def update_page(page: str) -> str:
    """Return a page with the list between its markers replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{make_reference()}\n{END}{after}"


def _section(node: Node) -> str:
    nodes: Sequence[Node] = node.children or [node]
    rows = [f"| `{_short_usage(each)}` | {_escape(each.help)} |" for each in nodes]
    return "\n".join(
        [f"### {node.name}", "", _escape(node.help), "", "| Command | Description |", "|---|---|", *rows, ""]
    )


def _short_usage(node: Node) -> str:
    """Return the usage without the flags that most commands share."""
    return _escape(_SHARED.sub("", node.usage).removesuffix(" ..."))


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    page = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / PAGE
    page.write_text(update_page(page.read_text("utf-8")), "utf-8")
