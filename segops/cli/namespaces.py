"""A command for each admin namespace, with a verb for each of its declared methods."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from functools import partial

import msgspec

from segops.cli.arguments import Argument, Signature, ValueType, signature_of
from segops.cli.binding import PREFIX
from segops.cli.connection import add_connection_flags
from segops.cli.output import add_output_flags
from segops.cli.parser import VerbParser
from segops.cli.related import RelatedMethods, find_related
from segops.cli.running import run_method
from segops.core import Command
from segops.plugins.admin import Method, Resource, methods_of

_HINTS: Mapping[ValueType, str] = {
    "json": " (JSON file, or - for stdin)",
    "upload": " (- for stdin)",
    "download": " (- for stdout)",
}


def namespace_commands(resources: Mapping[str, type[Resource]]) -> dict[str, Command]:
    """Return the commands of all namespaces that have methods, by name.

    Args:
        resources: The namespaces, as plugins registered them.
    """
    return {
        name.replace("_", "-"): _namespace_command(name, cls, methods)
        for name, cls in resources.items()
        if (methods := methods_of({name: cls}))
    }


def _namespace_command(name: str, cls: type[Resource], methods: tuple[Method, ...]) -> Command:
    by_verb = {method.verb: method for method in methods}
    return Command(
        name=name.replace("_", "-"),
        help=(inspect.getdoc(cls) or f"Call the methods of {name}.").partition("\n")[0],
        configure=partial(_add_verbs, by_verb),
        run=partial(run_method, cls, by_verb),
    )


def _add_verbs(methods: Mapping[str, Method], parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True, parser_class=VerbParser)
    for name, method in methods.items():
        summary = method.summary.replace("%", "%%")  # argparse formats it
        verbs.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=_describe_endpoint(method).replace("%", "%%"),
            allow_abbrev=False,
            conflict_handler="resolve",  # a parameter of the method wins over a flag of the same name
            define=partial(_define_verb, method, find_related(method, methods)),
        )


def _describe_endpoint(method: Method) -> str:
    endpoint = f"{method.http_method} {method.path}" if method.http_method else f"calls {', '.join(method.uses)}"
    undocumented = "" if method.is_listed else " (not in the API reference)"
    return f"Python: admin.{method.namespace}.{method.name}() | HTTP: {endpoint}{undocumented}"


def _define_verb(method: Method, related: RelatedMethods, parser: VerbParser) -> None:
    signature = signature_of(method)
    parser.allows_extra = signature.allows_extra
    add_output_flags(parser)
    add_connection_flags(parser)
    if method.pagination is not None and method.http_method:
        parser.add_argument("--all", dest="all_pages", action="store_true", help="fetch all pages, as one list")
    if method.http_method == "DELETE":
        parser.add_argument("--yes", dest="assume_yes", action="store_true", help="do not ask for confirmation")
    _add_waiting_flags(related, signature, parser)
    for argument in signature.arguments:
        _add_argument(argument, parser)
    _add_body(method, signature, parser)


def _add_waiting_flags(related: RelatedMethods, signature: Signature, parser: VerbParser) -> None:
    if related.waiting is None:
        return
    parser.add_argument("--wait", action="store_true", help="wait until it is done")
    if related.download is not None:
        parser.add_argument("--to", metavar="FILE", help="wait, then download to this file (- for stdout)")
    own = {argument.name for argument in signature.arguments}
    for argument in signature_of(related.waiting).arguments:
        if argument.is_flag and argument.name not in own:
            _add_argument(msgspec.structs.replace(argument, help=f"with --wait: {argument.help}"), parser)


def _add_argument(argument: Argument, parser: VerbParser) -> None:
    if argument.type == "progress":
        return
    dest = f"{PREFIX}{argument.name}"
    text = argument.help.replace("%", "%%")
    if argument.is_flag:
        optional: dict[str, str] = {"nargs": "?", "const": "true"} if argument.type == "bool" else {}
        parser.add_argument(
            argument.flag,
            dest=dest,
            metavar=argument.metavar,
            help=text,
            required=argument.is_required,
            **optional,
        )
    else:
        is_required = argument.is_required and argument.type != "json"  # which -f may give
        hint = _HINTS.get(argument.type, "")
        parser.add_positional(dest, argument.metavar, is_required=is_required, description=f"{text}{hint}".strip())


def _add_body(method: Method, signature: Signature, parser: VerbParser) -> None:
    has_body = signature.extra_fields is not None and method.is_mutation
    if has_body:
        dest = f"{PREFIX}{signature.extra_fields}"
        parser.add_positional(dest, "FILE", is_required=False, description=f"fields of the body{_HINTS['json']}")
    if has_body or signature.json_argument not in {None, signature.extra_fields}:
        parser.add_argument("-f", "--file", dest="file", metavar="FILE", help="the same JSON file, as a flag")
