"""The `segops` program.

Commands come from the hook `segops_register_commands`, built-in and third-party alike, and from the namespaces of
`segops_register_resources`. Data goes to stdout and everything else to stderr. Any failure ends as a message and an
exit code, never as a traceback; see `segops.cli.errors`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from segops import __version__
from segops.cli.errors import ExitCode, fail, fail_with
from segops.cli.parser import Parser
from segops.cli.root_parser import RootParser
from segops.cli.terminal import close_broken_streams, open_missing_streams, print_message, translating_errors
from segops.composition import load_plugins
from segops.core import Command


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code of the process.

    Args:
        argv: The arguments after `segops`. Default: those of the process.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    open_missing_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # escape what the terminal cannot show, instead of failing
    code = _guard(partial(_run, args)) or _guard(_flush)
    close_broken_streams()
    return code


def _guard(work: Callable[[], int]) -> int:
    """Return the exit code of some work; an exception becomes a message and an exit code."""
    try:
        return work()
    except KeyboardInterrupt:
        return fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return ExitCode.BROKEN_PIPE
    except SystemExit as exiting:  # argparse has printed the help, or what is wrong
        if exiting.code is None or isinstance(exiting.code, int):
            return exiting.code or 0
        return fail(str(exiting.code))
    except Exception as error:  # noqa: BLE001 - the edge: a user gets a message, not a traceback
        return fail_with(error)


def _flush() -> int:
    with translating_errors():
        sys.stdout.flush()
    return 0


def _run(args: list[str]) -> int:
    if args[:1] == ["help"]:
        args = [*args[1:], "--help"]
    broken: list[Exception] = []
    plugins = load_plugins(broken.append)
    commands = plugins.commands()
    name = next((arg for arg in args if not arg.startswith("-")), None)
    namespaces: dict[str, Command] = {}
    if args[:1] != ["--version"] and (name not in commands or args[0].startswith("-")):
        from segops.cli.namespaces import namespace_commands  # noqa: PLC0415 - loads the admin SDK

        namespaces = namespace_commands(plugins.resources())
    commands = namespaces | commands
    parser = _make_parser(commands, namespaces, name)
    if name is not None and name not in commands:
        for error in broken:  # one of them might have brought the command
            print_message(f"segops: {error}")
        parser.fail_with_unknown("command", name, ["help", *commands])
    parsed = parser.parse_args(args)
    if name is None:
        parser.print_help()
        return 0
    return commands[name].run(parsed)


def _make_parser(commands: Mapping[str, Command], namespaces: Mapping[str, Command], chosen: str | None) -> Parser:
    """Return the parser of the program. Only the chosen command adds its arguments: the others cost nothing."""
    parser = RootParser(namespaces)
    parser.add_argument(
        "--version", action="version", version=f"segops {__version__}", help="show the version and exit"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", prog="segops", parser_class=Parser)
    for name, command in sorted(commands.items()):
        text = command.help.replace("%", "%%")  # argparse formats it
        child = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        if name == chosen:
            command.configure(child)
    return parser
