"""What PyInstaller asks this distribution: where the hooks are that tell it of data files."""

from __future__ import annotations

from pathlib import Path


def find_hooks() -> list[str]:
    """Return the directories of the hooks."""
    return [str(Path(__file__).parent)]
