"""The `segops` program.

All commands come from the hook `segops_register_commands`, ours as well as a stranger's. Data goes to stdout,
everything else to stderr; whatever happens, the user sees a message and no traceback.

Exit codes: 0 ok, 1 SegOps or the work refused, 2 usage, 5 network, 130 interrupted, 141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from segops import __version__
from segops.assembly import load_plugins
from segops.core import (
    Command,
    SegOpsApiError,
    SegOpsAuthenticationError,
    SegOpsConfigError,
    SegOpsError,
    SegOpsPermissionError,
    SegOpsRateLimitError,
    SegOpsServerError,
    SegOpsTransportError,
)

FAILED = 1
USAGE = 2
NETWORK = 5
INTERRUPTED = 130
NO_READER = 141
"""As the shell reports a program that SIGPIPE ended."""

_HINTS: tuple[tuple[type[SegOpsError], str], ...] = (
    (SegOpsAuthenticationError, "check the API key: --api-key, or SEGOPS_API_KEY"),
    (SegOpsPermissionError, "this key may not do that: use another one"),
    (SegOpsRateLimitError, "wait a minute, then try again"),
    (SegOpsServerError, "the fault is the server's: try again later"),
    (SegOpsApiError, "check the URL and the arguments"),
    (SegOpsTransportError, "check the URL, and that the server runs and can be reached from here"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code of the process.

    Args:
        argv: The words after `segops`. Default: those that the process was started with.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no failure
        code = _run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted")
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it exits: that must not fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except SystemExit as leaving:  # argparse has printed what was asked for, or what is wrong
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except SegOpsError as error:
        return _fail(_exit_code(error), _explain(error))
    except Exception as error:  # noqa: BLE001 - the edge: a user gets a message, not a traceback
        return _fail(FAILED, _confess(error))
    return code


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    broken: list[Exception] = []
    commands = load_plugins(broken.append).commands()
    name = next((word for word in words if not word.startswith("-")), None)
    parser = _parser(commands, name)
    if name is not None and name not in commands:
        for error in broken:  # one of them might have brought the command
            _warn(str(error))
        parser.error(f"there is no command {name!r}: see `segops help`")
    arguments = parser.parse_args(words)
    if name is None:
        parser.print_help()
        return 0
    return commands[name].run(arguments)


def _parser(commands: Mapping[str, Command], chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser of the whole program. Only the chosen command adds its arguments: the others cost nothing."""
    parser = argparse.ArgumentParser(
        prog="segops",
        description="Send events to SegOps, from the command line.",
        epilog="`segops help COMMAND` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"segops {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in sorted(commands.items()):
        text = command.help.replace("%", "%%")  # argparse formats it
        child = group.add_parser(name, help=text, description=text, allow_abbrev=False)
        if name == chosen:
            command.configure(child)
    return parser


def _exit_code(error: SegOpsError) -> int:
    if isinstance(error, SegOpsConfigError):
        return USAGE
    return NETWORK if isinstance(error, SegOpsTransportError) else FAILED


def _explain(error: SegOpsError) -> str:
    hint = next((f"; {hint}" for kind, hint in _HINTS if isinstance(error, kind)), "")
    return f"{error}{hint}"


def _confess(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno}); "  # noqa: PTH119 - pathlib is slow to load
        "this is a fault of segops or of a plugin: please report it, with this line"
    )


def _fail(code: int, message: str) -> int:
    _warn(message)
    return code


def _warn(message: str) -> None:
    print(f"segops: {message}", file=sys.stderr)
