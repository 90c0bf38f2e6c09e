"""Call the admin method of a verb, and print what it returns."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.arguments import signature_of
from segops.cli.binding import BoundArguments, is_passed, passed_flags
from segops.cli.connection import open_admin
from segops.cli.errors import fail
from segops.cli.inputs import STDIN, check_target
from segops.cli.output import Output
from segops.cli.progress import ProgressBar
from segops.cli.prompts import confirm
from segops.cli.related import RelatedMethods, find_related
from segops.cli.terminal import open_binary
from segops.plugins.admin import Method, Page, Resource, UpsertReport


class SavedFile(msgspec.Struct, frozen=True):
    """A file that was written; "-" for stdout."""

    file: str
    bytes: int


def run_method(cls: type[Resource], methods: Mapping[str, Method], args: argparse.Namespace) -> int:
    """Call the method of the chosen verb and print what it returns.

    Args:
        cls: The namespace.
        methods: Its methods by verb.
        args: The parsed command line.

    Raises:
        SegOpsArgumentError: An argument is invalid; nothing was sent.
        SegOpsError: The call failed.
    """
    method = methods[args.verb]
    output = Output(args)
    bound = BoundArguments(method, args)
    if method.http_method == "DELETE":
        action = f"delete {method.path.format_map(bound.texts)}"
        if not confirm(action, assume_yes=args.assume_yes):
            return fail("nothing was deleted")
    if (target := getattr(args, "to", None)) is not None:
        check_target(target)
    with open_admin(args) as admin:
        result = _perform(cls(admin.http), method, find_related(method, methods), bound, args)
        if isinstance(result, SavedFile) and result.file == STDIN:
            return 0
        shown = result.walk() if isinstance(result, Page) and args.all_pages else result
        output.show(shown, is_report=method.is_mutation or isinstance(result, SavedFile))
    if isinstance(result, UpsertReport) and result.errors:
        return fail(f"{len(result.errors)} rows were rejected: see `errors` in the output")
    return 0


def _perform(
    resource: Resource, method: Method, related: RelatedMethods, bound: BoundArguments, args: argparse.Namespace
) -> Any:
    target = getattr(args, "to", None)
    waits = target is not None or getattr(args, "wait", False)
    if not waits:
        _check_unused_flags(related, bound, args)
        return _call(resource, method, bound)
    if related.blocking is not None:
        return _call(resource, related.blocking, BoundArguments(related.blocking, args))
    result = _call(resource, method, bound)
    if related.wait is None:
        return result
    limits = passed_flags(signature_of(related.wait), args)
    job = getattr(resource, related.wait.name)(*bound.positional(), result, **limits)
    if target is None or related.download is None:
        return job
    destination = open_binary() if target == STDIN else target
    return _save(target, getattr(resource, related.download.name), job, destination)


def _check_unused_flags(related: RelatedMethods, bound: BoundArguments, args: argparse.Namespace) -> None:
    """Reject flags that configure waiting where nothing waits.

    Raises:
        SegOpsArgumentError: There is one.
    """
    if related.waiting is None:
        return
    own = {argument.name for argument in bound.signature.arguments}
    waiting = signature_of(related.waiting).arguments
    if unused := [each.flag for each in waiting if each.name not in own and is_passed(each, args)]:
        raise SegOpsArgumentError(f"{unused[0]} has no effect without --wait: add --wait, or leave it out")


def _call(resource: Resource, method: Method, bound: BoundArguments) -> Any:
    function: Callable[..., Any] = getattr(resource, method.name)
    positional = [*bound.positional(), *bound.body()]
    download = bound.signature.of_type("download")
    if download is not None:
        return _save(bound.texts[download.name], function, *positional, **bound.named())
    if bound.signature.of_type("progress") is None:
        return function(*positional, **bound.named())
    with ProgressBar("rows") as bar:
        return function(*positional, **bound.named(), progress=lambda report: bar.show(report.created + report.updated))


def _save(name: str, download: Callable[..., int], *args: Any, **options: Any) -> SavedFile:
    """Download a file with a progress bar."""
    with ProgressBar("bytes") as bar:
        return SavedFile(name, download(*args, **options, progress=bar.show))
