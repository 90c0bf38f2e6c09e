"""Ask before something is deleted."""

from __future__ import annotations

import sys

from segops import SegOpsArgumentError
from segops.cli.terminal import write_stderr
from segops.utils import escape


def confirm(action: str, *, assume_yes: bool) -> bool:
    """Ask whether to do something that cannot be undone.

    Args:
        action: What would be done, as in "delete /segments/12/".
        assume_yes: Whether the user passed `--yes`; then nothing is asked.

    Raises:
        SegOpsArgumentError: Standard input is not a terminal, so nobody can answer.
    """
    if assume_yes:
        return True
    if not sys.stdin.isatty():
        raise SegOpsArgumentError(f"refusing to {action} without confirmation: add --yes")
    write_stderr(escape(f"{action[:1].upper()}{action[1:]}? [y/N] "))
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
