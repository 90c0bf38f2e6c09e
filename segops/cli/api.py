"""`segops api`: any call, for endpoints that no method wraps.

Source: admin-sdk.md, "Escape hatch".
"""

from __future__ import annotations

import argparse
import re

import msgspec

from segops import SegOpsArgumentError
from segops.cli.connection import add_connection_flags, open_admin
from segops.cli.inputs import STDIN, decode, read_bytes
from segops.cli.output import Output, add_output_flags
from segops.cli.running import complain, is_sure
from segops.cli.terminal import has_output, open_binary, tell
from segops.core import Response
from segops.utils import BOM, escape

_READING = {"GET", "HEAD", "OPTIONS"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops api` takes."""
    parser.add_argument("method", metavar="METHOD", help="GET, POST, PUT, PATCH or DELETE")
    parser.add_argument("path", metavar="/PATH", help="relative to the base URL, with its query: '/segments/?page=2'")
    parser.add_argument("-f", "--file", metavar="FILE", help="the body: a JSON file, or - to pipe it in")
    parser.add_argument("-i", "--include", action="store_true", help="show status and headers on stderr")
    parser.add_argument("--yes", dest="is_sure", action="store_true", help="do not ask before something is deleted")
    add_output_flags(parser)
    add_connection_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the call and print the answer: JSON in the form that is wanted, anything else as it came.

    Raises:
        SegOpsArgumentError: Method, path or body cannot be sent.
        SegOpsError: The call failed.
    """
    method = arguments.method.upper()
    if not re.fullmatch(r"[A-Z]+", method):
        raise SegOpsArgumentError(f"{arguments.method!r} is no HTTP method: write GET, POST, PUT, PATCH or DELETE")
    body = msgspec.UNSET if arguments.file is None else _read_body(arguments.file)
    if method == "DELETE" and not is_sure(f"delete {arguments.path}", arguments):
        return complain("nothing was deleted")
    with open_admin(arguments) as admin:
        response = admin.http.send(method, arguments.path, body=body)
    if arguments.include:
        lines = [f"HTTP {response.status}", *(f"{name}: {value}" for name, value in response.headers.items())]
        tell("\n".join(escape(line) for line in lines))
    if has_output() or method in _READING:
        _show(response, Output(arguments))
    return 0


def _read_body(name: str) -> msgspec.Raw:
    content = read_bytes(name)
    decode(content, "the standard input" if name == STDIN else name)
    return msgspec.Raw(content.removeprefix(BOM))


def _show(response: Response, output: Output) -> None:
    if not response.body:
        output.show(None)
        return
    try:
        data = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        open_binary().write(response.body)
    else:
        output.show_document(data)
