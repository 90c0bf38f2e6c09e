"""`segops completion`: scripts that let a shell complete commands, verbs and flags.

A script holds all words, so that completing one starts no program; it is to be made anew when plugins change.
"""

from __future__ import annotations

import argparse

from segops.cli.shells import SHELLS
from segops.cli.terminal import write
from segops.cli.tree import find_commands, grow

_HOW = """How to install it:

  bash    segops completion bash > ~/.local/share/bash-completion/completions/segops
  zsh     segops completion zsh > a file named _segops in a directory of $fpath
  fish    segops completion fish > ~/.config/fish/completions/segops.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops completion` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HOW
    parser.add_argument("shell", choices=sorted(SHELLS), help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    write(SHELLS[arguments.shell](grow(find_commands())))
    return 0
