"""The `segops` program.

Commands come from the hook `segops_register_commands`, ours as well as a stranger's, and from the namespaces of
`segops_register_resources`. Data goes to stdout, everything else to stderr; whatever happens, the user sees a message
and no traceback.

Exit codes: 0 ok, 1 SegOps or the work refused, 2 usage, 3 not found, 4 authentication, 5 network, 6 rate limited,
7 timed out, 130 interrupted, 141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from segops import __version__
from segops.cli.parser import Parser
from segops.cli.terminal import close_broken_streams, open_missing_streams, tell, writing
from segops.composition import load_plugins
from segops.core import (
    Command,
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsAuthenticationError,
    SegOpsConfigError,
    SegOpsError,
    SegOpsNotFoundError,
    SegOpsPermissionError,
    SegOpsRateLimitError,
    SegOpsServerError,
    SegOpsTimeoutError,
    SegOpsTransportError,
)

FAILED = 1
USAGE = 2
NOT_FOUND = 3
AUTHENTICATION = 4
NETWORK = 5
RATE_LIMITED = 6
TIMED_OUT = 7
INTERRUPTED = 130
NO_READER = 141
"""As the shell reports a program that SIGPIPE ended."""

_KINDS: tuple[tuple[type[SegOpsError], int, str], ...] = (
    (SegOpsConfigError, USAGE, ""),
    (SegOpsArgumentError, USAGE, ""),
    (SegOpsAuthenticationError, AUTHENTICATION, "check the API key: SEGOPS_API_KEY, or the option for it"),
    (SegOpsPermissionError, AUTHENTICATION, "this key may not do that: use another one"),
    (SegOpsNotFoundError, NOT_FOUND, "check the URL and the arguments"),
    (SegOpsRateLimitError, RATE_LIMITED, "wait a minute, then try again"),
    (SegOpsServerError, FAILED, "the fault is the server's: try again later"),
    (SegOpsApiError, FAILED, "check the URL and the arguments"),
    (SegOpsTimeoutError, TIMED_OUT, "try again, or allow more time"),
    (SegOpsTransportError, NETWORK, "check the URL, and that the server runs and can be reached from here"),
)
"""The exit code of each kind of error, and what to do about it unless the message says so; the first that fits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code of the process.

    Args:
        argv: The words after `segops`. Default: those that the process was started with.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    open_missing_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no failure
    code = _guard(partial(_run, words)) or _guard(_flush)
    close_broken_streams()
    return code


def _guard(work: Callable[[], int]) -> int:
    """Do it and return its exit code; whatever it raises becomes a message and a code."""
    try:
        return work()
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted")
    except BrokenPipeError:
        return NO_READER
    except SystemExit as leaving:  # argparse has printed what was asked for, or what is wrong
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        return _fail(FAILED, str(leaving.code))
    except SegOpsError as error:
        return _fail(*_explain(error))
    except OSError as error:  # of the system, such as a full disk: no fault of the program
        place = "" if error.filename is None else f"{error.filename!r}: "
        return _fail(FAILED, f"{place}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - the edge: a user gets a message, not a traceback
        return _fail(FAILED, _confess(error))


def _flush() -> int:
    with writing():
        sys.stdout.flush()
    return 0


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    broken: list[Exception] = []
    plugins = load_plugins(broken.append)
    commands = plugins.commands()
    name = next((word for word in words if not word.startswith("-")), None)
    epilog = "`segops help COMMAND` explains a command."
    if name not in commands and words[:1] != ["--version"]:
        from segops.cli.namespaces import list_verbs, namespace_commands  # noqa: PLC0415 - loads the admin SDK

        resources = plugins.resources()
        commands = namespace_commands(resources) | commands
        epilog = f"{list_verbs(resources)}\n{epilog}"
    parser = _parser(commands, name, epilog)
    if name is not None and name not in commands:
        for error in broken:  # one of them might have brought the command
            _warn(str(error))
        parser.error(f"there is no command {name!r}: see `segops help`")
    arguments = parser.parse_args(words)
    if name is None:
        parser.print_help()
        return 0
    return commands[name].run(arguments)


def _parser(commands: Mapping[str, Command], chosen: str | None, epilog: str) -> argparse.ArgumentParser:
    """Return the parser of the whole program. Only the chosen command adds its arguments: the others cost nothing."""
    parser = Parser(
        prog="segops",
        description="Send events to SegOps and do what its dashboard does, from the command line.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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


def _explain(error: SegOpsError) -> tuple[int, str]:
    """Return the exit code of an error and the message for the user."""
    for kind, code, hint in _KINDS:
        if isinstance(error, kind):
            is_explained = not hint or bool(getattr(error, "advice", ""))
            return code, str(error) if is_explained else f"{error}; {hint}"
    return FAILED, str(error)


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
    tell(f"segops: {message}")
