"""Runs a method with the words of the command line, and shows what it returns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.arguments import shape_of
from segops.cli.connection import open_admin
from segops.cli.given import Given, is_given, named_flags
from segops.cli.inputs import STDIN, check_target
from segops.cli.output import Output
from segops.cli.progress import Bar
from segops.cli.terminal import draw, open_binary, tell
from segops.cli.waiting import Companions, companions_of
from segops.plugins.admin import Method, Page, Resource, UpsertReport
from segops.utils import escape


class Saved(msgspec.Struct, frozen=True):
    """A file that was written; "-" for stdout."""

    file: str
    bytes: int


def run_method(kind: type[Resource], methods: Mapping[str, Method], words: argparse.Namespace) -> int:
    """Call the method of the chosen verb and show what it returns.

    Args:
        kind: The namespace.
        methods: Its methods by verb.
        words: What the parser read.

    Raises:
        SegOpsArgumentError: Something that was given cannot be understood; nothing was sent.
        SegOpsError: The call failed.
    """
    method = methods[words.verb]
    output = Output(words)
    given = Given(method, words)
    if method.http_method == "DELETE" and not is_sure(f"delete {method.path.format_map(given.texts)}", words):
        return complain("nothing was deleted")
    if (to := getattr(words, "to", None)) is not None:
        check_target(to)
    with open_admin(words) as admin:
        resource = kind(admin.http)
        result = _perform(resource, method, companions_of(method, methods), given, words)
        if isinstance(result, Saved) and result.file == STDIN:
            return 0
        shown = result.walk() if isinstance(result, Page) and words.walks else result
        output.show(shown, is_report=method.is_mutation or isinstance(result, Saved))
    if isinstance(result, UpsertReport) and result.errors:
        return complain(f"{len(result.errors)} rows were not taken: see `errors` in the report")
    return 0


def _perform(
    resource: Resource, method: Method, companions: Companions, given: Given, words: argparse.Namespace
) -> Any:
    to = getattr(words, "to", None)
    waits = to is not None or getattr(words, "waits", False)
    if waits and companions.in_its_place is not None:
        return _call(resource, companions.in_its_place, Given(companions.in_its_place, words))
    if not waits:
        _check_unused(companions, given, words)
    result = _call(resource, method, given)
    if not waits or companions.afterwards is None:
        return result
    limits = named_flags(shape_of(companions.afterwards), words)
    job = getattr(resource, companions.afterwards.name)(*given.positional(), result, **limits)
    if to is None or companions.download is None:
        return job
    return _save(to, getattr(resource, companions.download.name), job, open_binary() if to == STDIN else to)


def _check_unused(companions: Companions, given: Given, words: argparse.Namespace) -> None:
    """Refuse flags that say how to wait when nothing is waited for.

    Raises:
        SegOpsArgumentError: There is one.
    """
    waiting = companions.in_its_place or companions.afterwards
    if waiting is None:
        return
    own = {argument.name for argument in given.shape.arguments}
    unused = [each.flag for each in shape_of(waiting).arguments if each.name not in own and is_given(each, words)]
    if unused:
        raise SegOpsArgumentError(f"{unused[0]} has an effect only with --wait: add --wait, or leave it out")


def _call(resource: Resource, method: Method, given: Given) -> Any:
    bound: Callable[..., Any] = getattr(resource, method.name)
    arguments = [*given.positional(), *given.body()]
    target = given.shape.of_kind("target")
    if target is not None:
        return _save(given.texts[target.name], bound, *arguments, **given.named())
    if given.shape.of_kind("progress") is None:
        return bound(*arguments, **given.named())
    with Bar("rows") as bar:
        return bound(*arguments, **given.named(), progress=lambda report: bar.show(report.created + report.updated))


def _save(name: str, download: Callable[..., int], *args: Any, **more: Any) -> Saved:
    """Download a file, with a progress bar."""
    with Bar("bytes") as bar:
        return Saved(name, download(*args, **more, progress=bar.show))


def is_sure(what: str, words: argparse.Namespace) -> bool:
    """Ask whether something may be done that cannot be taken back.

    Raises:
        SegOpsArgumentError: There is nobody to ask.
    """
    if words.is_sure:
        return True
    if not sys.stdin.isatty():
        raise SegOpsArgumentError(f"to {what} without being asked, add --yes")
    draw(escape(f"{what[:1].upper()}{what[1:]}? [y/N] "))
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def complain(message: str) -> int:
    """Tell the user that something was refused, and return the exit code for it."""
    tell(f"segops: {message}")
    return 1
