"""A command for each namespace, with a verb for each method: all of it follows from the declared methods."""

from __future__ import annotations

import argparse
import inspect
import textwrap
from collections.abc import Mapping
from functools import partial

import msgspec

from segops.cli.arguments import Argument, Kind, Shape, shape_of
from segops.cli.connection import add_connection_flags
from segops.cli.given import PREFIX
from segops.cli.output import add_output_flags
from segops.cli.parser import VerbParser
from segops.cli.running import run_method
from segops.cli.waiting import Companions, companions_of
from segops.core import Command
from segops.plugins.admin import Method, Resource, methods_of


def namespace_commands(resources: Mapping[str, type[Resource]]) -> dict[str, Command]:
    """Return the commands of all namespaces that have methods, by name.

    Args:
        resources: The namespaces, as plugins registered them.
    """
    return {
        name.replace("_", "-"): _command(name, kind, methods)
        for name, kind in resources.items()
        if (methods := methods_of({name: kind}))
    }


def list_verbs(resources: Mapping[str, type[Resource]]) -> str:
    """Return the verbs of each namespace, as text for people."""
    lines = ["verbs:"]
    for name, kind in resources.items():
        verbs = ", ".join(method.verb for method in methods_of({name: kind}))
        lines += textwrap.wrap(
            f"{name.replace('_', '-')}: {verbs}",
            width=100,
            initial_indent="  ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )
    return "\n".join([*lines, ""]).replace("%", "%%")


def _command(name: str, kind: type[Resource], methods: tuple[Method, ...]) -> Command:
    by_verb = {method.verb: method for method in methods}
    return Command(
        name=name.replace("_", "-"),
        help=(inspect.getdoc(kind) or f"The namespace {name}.").partition("\n")[0],
        configure=partial(_add_verbs, by_verb),
        run=partial(run_method, kind, by_verb),
    )


def _add_verbs(methods: Mapping[str, Method], parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True, parser_class=VerbParser)
    for name, method in methods.items():
        summary = method.summary.replace("%", "%%")  # argparse formats it
        verbs.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=_describe(method).replace("%", "%%"),
            allow_abbrev=False,
            conflict_handler="resolve",  # what a method calls its own wins over what all have
            define=partial(_define, method, companions_of(method, methods)),
        )


def _describe(method: Method) -> str:
    endpoint = f"{method.http_method} {method.path}" if method.http_method else f"makes use of {', '.join(method.uses)}"
    unlisted = "" if method.is_listed else "; the API's documentation has no such endpoint"
    return f"{method.namespace}.{method.name}: {endpoint}{unlisted}"


def _define(method: Method, companions: Companions, parser: VerbParser) -> None:
    shape = shape_of(method)
    parser.takes_more = shape.takes_more
    add_connection_flags(parser)
    add_output_flags(parser)
    if method.pagination is not None and method.http_method:
        parser.add_argument("--all", dest="walks", action="store_true", help="go through all pages, as one document")
    if method.http_method == "DELETE":
        parser.add_argument("--yes", dest="is_sure", action="store_true", help="do not ask before it is deleted")
    _add_waiting(companions, shape, parser)
    for argument in shape.arguments:
        _add_argument(argument, parser)
    _add_body(method, shape, parser)


def _add_waiting(companions: Companions, shape: Shape, parser: VerbParser) -> None:
    waiting = companions.in_its_place or companions.afterwards
    if waiting is None:
        return
    parser.add_argument("--wait", dest="waits", action="store_true", help="wait until it is done")
    if companions.download is not None:
        text = "wait, and download it into this file; - for stdout"
        parser.add_argument("--to", dest="to", metavar="FILE", help=text)
    own = {argument.name for argument in shape.arguments}
    for argument in shape_of(waiting).arguments:
        if argument.is_flag and argument.name not in own:
            _add_argument(
                msgspec.structs.replace(argument, help=f"with --wait: {argument.help[:1].lower()}{argument.help[1:]}"),
                parser,
            )


def _add_argument(argument: Argument, parser: VerbParser) -> None:
    if argument.kind == "progress":
        return
    dest = f"{PREFIX}{argument.name}"
    text = argument.help.replace("%", "%%")
    if argument.is_flag:
        optional: dict[str, str] = {"nargs": "?", "const": "true"} if argument.kind == "bool" else {}
        parser.add_argument(
            argument.flag,
            dest=dest,
            metavar=argument.label,
            help=text,
            required=argument.is_required,
            **optional,
        )
    else:
        is_required = argument.is_required and argument.kind != "json"  # which -f may give
        parser.add_positional(dest, argument.label, is_required=is_required, text=f"{text}{_form_of(argument.kind)}")


def _add_body(method: Method, shape: Shape, parser: VerbParser) -> None:
    has_body = shape.bag is not None and method.is_mutation
    if has_body:
        parser.add_positional(
            f"{PREFIX}{shape.bag}", "FILE", is_required=False, text="the fields: a JSON file, or - to pipe it in"
        )
    if has_body or shape.json_argument not in {None, shape.bag}:
        parser.add_argument("-f", "--file", dest="file", metavar="FILE", help="the same JSON file, as a flag")


def _form_of(kind: Kind) -> str:
    forms: Mapping[Kind, str] = {
        "json": " (a JSON file, or - to pipe it in)",
        "upload": " (- to pipe it in)",
        "target": " (- for stdout)",
    }
    return forms.get(kind, "")
