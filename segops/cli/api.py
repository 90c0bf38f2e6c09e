"""`segops api`: call any endpoint, with or without a method of its own.

Source: Admin SDK, "Escape hatch".
"""

from __future__ import annotations

import argparse
import re

import msgspec

from segops import SegOpsArgumentError
from segops.cli.connection import add_connection_flags, open_admin
from segops.cli.errors import fail
from segops.cli.inputs import decode_json, describe_file, read_bytes
from segops.cli.output import Output, add_output_flags
from segops.cli.prompts import confirm
from segops.cli.terminal import has_output, open_binary, print_message
from segops.core import Response
from segops.utils import BOM, escape

_READ_METHODS = {"GET", "HEAD", "OPTIONS"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops api`."""
    parser.add_argument("method", metavar="METHOD", help="GET, POST, PUT, PATCH or DELETE")
    parser.add_argument("path", metavar="PATH", help="path relative to the base URL, as in '/segments/?page=2'")
    parser.add_argument("-f", "--file", metavar="FILE", help="JSON file with the body (- for stdin)")
    parser.add_argument("-i", "--include", action="store_true", help="print the status and the headers to stderr")
    parser.add_argument("--yes", dest="assume_yes", action="store_true", help="do not ask for confirmation of a DELETE")
    add_output_flags(parser)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Call the endpoint and print the response: JSON in the requested format, anything else as it came.

    Raises:
        SegOpsArgumentError: The method, the path or the body is invalid.
        SegOpsError: The call failed.
    """
    method = args.method.upper()
    if not re.fullmatch(r"[A-Z]+", method):
        raise SegOpsArgumentError(f"unsupported HTTP method {args.method!r}: use GET, POST, PUT, PATCH, or DELETE")
    body = msgspec.UNSET if args.file is None else _read_body(args.file)
    if method == "DELETE" and not confirm(f"delete {args.path}", assume_yes=args.assume_yes):
        return fail("nothing was deleted")
    with open_admin(args) as admin:
        response = admin.http.send(method, args.path, body=body)
    if args.include:
        lines = [f"HTTP {response.status}", *(f"{name}: {value}" for name, value in response.headers.items())]
        print_message("\n".join(escape(line) for line in lines))
    if has_output() or method in _READ_METHODS:
        _print_response(response, Output(args))
    return 0


def _read_body(name: str) -> msgspec.Raw:
    content = read_bytes(name)
    decode_json(content, describe_file(name))
    return msgspec.Raw(content.removeprefix(BOM))


def _print_response(response: Response, output: Output) -> None:
    if not response.body:
        output.show(None)
        return
    try:
        data = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        open_binary().write(response.body)
    else:
        output.show_document(data)
