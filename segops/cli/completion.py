"""`segops completion`: print scripts that complete commands, verbs and flags in a shell.

A script contains all names, so completing starts no program. Create it again when plugins change.
"""

from __future__ import annotations

import argparse

from segops.cli.shells import SHELLS
from segops.cli.terminal import write
from segops.cli.tree import build_tree, find_commands

_INSTALLATION = """to install:
  bash  segops completion bash > ~/.local/share/bash-completion/completions/segops
  zsh   segops completion zsh > "${fpath[1]}/_segops"
  fish  segops completion fish > ~/.config/fish/completions/segops.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops completion`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _INSTALLATION
    parser.add_argument("shell", metavar="SHELL", choices=sorted(SHELLS), help="bash, fish or zsh")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    write(SHELLS[args.shell](build_tree(find_commands())))
    return 0
