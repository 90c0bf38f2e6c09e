"""`segops doctor`: check everything from the key to the plugins, as far as possible even without a server."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from segops import SegOpsConfigError, SegOpsError
from segops.cli.connection import add_address_flags, read_key
from segops.cli.errors import ExitCode
from segops.cli.findings import Finding, Status
from segops.cli.output import Output, add_output_flags
from segops.cli.plugin_cost import check_plugins
from segops.cli.server_check import check_server, check_tls
from segops.composition import describe_conflict, load_plugins, open_transport
from segops.core import Transport
from segops.delivery import IS_COMPILED
from segops.environment import describe_unknown_variables, read_environment

_KEY_TYPES: dict[str, tuple[Status, str]] = {
    "sk_": ("ok", "secret key (sk_): it has full access, so keep it on servers"),
    "pk_": ("warning", "public key (pk_): it sends the events of one user at a time; commands need a secret key (sk_)"),
    "mk_": ("failed", "MCP key (mk_): use a secret key (sk_)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops doctor`."""
    add_output_flags(parser)
    add_address_flags(parser.add_argument_group("connection"))


def run(args: argparse.Namespace) -> int:
    """Run all checks, print the findings, and return the exit code of the first failure."""
    findings = list(_check_all(args))
    rows = [{name: getattr(each, name) for name in ("check", "status", "detail")} for each in findings]
    Output(args).show(rows, table=rows, is_report=True)
    return next((each.code for each in findings if each.status == "failed"), ExitCode.OK)


def _check_all(args: argparse.Namespace) -> Iterator[Finding]:
    key, finding = _check_key(args)
    yield finding
    try:
        transport = open_transport(
            args.api_url or read_environment().api_url, load_plugins(lambda _error: None).transports()
        )
    except SegOpsError as error:
        yield Finding("url", "failed", str(error), ExitCode.USAGE)
    else:
        yield from _check_connection(transport, key)
        transport.close()
    yield _check_extension()
    if conflict := describe_conflict():
        yield Finding("installation", "warning", conflict)
    for message in describe_unknown_variables():
        yield Finding("environment", "warning", message)
    yield from check_plugins()


def _check_extension() -> Finding:
    if IS_COMPILED:
        return Finding("track()", "ok", "compiled")
    return Finding("track()", "ok", "in Python, about four times slower: pip found no compiler")


def _check_key(args: argparse.Namespace) -> tuple[str | None, Finding]:
    try:
        key = read_key(args) or read_environment().api_key
    except SegOpsConfigError as error:
        return None, Finding("key", "failed", str(error), ExitCode.USAGE)
    if not key:
        return None, Finding("key", "failed", "missing: set SEGOPS_API_KEY or pass --api-key-file", ExitCode.USAGE)
    if not (key.isascii() and key.isprintable() and " " not in key):
        reason = "contains a space, a control character or a non-ASCII character: copy it again"
        return None, Finding("key", "failed", reason, ExitCode.USAGE)
    status, text = _KEY_TYPES.get(key[:3], ("failed", "unknown type: expected a secret key (sk_)"))
    return key, Finding("key", status, text, ExitCode.USAGE)


def _check_connection(transport: Transport, key: str | None) -> Iterator[Finding]:
    yield Finding("url", "ok", transport.url or type(transport).__name__)
    if transport.offline:
        yield Finding("server", "warning", "no server at this URL: events are only recorded")
        return
    proxy = getattr(transport, "proxy", None)
    yield Finding("proxy", "ok", f"{proxy} (from the environment)" if proxy else "none")
    if transport.url.startswith("https:"):
        yield check_tls(transport.url, proxy)
    elif transport.url.startswith("http:"):
        yield Finding("tls", "warning", "not used: use https, except on your own machine")
    yield from check_server(transport, key)
