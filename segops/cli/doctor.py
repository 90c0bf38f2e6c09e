"""`segops doctor`: what could be wrong, from the key to the plugins. It says what it can, also of a dead server."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from segops import SegOpsConfigError, SegOpsError
from segops.cli.connection import add_address_flags, read_key
from segops.cli.findings import Finding
from segops.cli.output import Output, add_output_flags
from segops.cli.plugin_cost import check_plugins
from segops.cli.server_check import check_server, check_tls
from segops.composition import describe_conflict, load_plugins, open_transport
from segops.core import Transport
from segops.delivery import IS_COMPILED
from segops.environment import describe_unknown_variables, read_environment

_USAGE = 2
_KINDS = {
    "sk_": ("ok", "a secret key (sk_): it may do everything, keep it on servers"),
    "pk_": ("warning", "a public key (pk_): it only sends events of one user at a time; commands need an sk_ key"),
    "mk_": ("failed", "a key for MCP (mk_): use a secret key (sk_)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops doctor` takes."""
    add_output_flags(parser)
    add_address_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make all checks, print what they found, and return the exit code that the worst of it asks for."""
    findings = list(_examine(arguments))
    Output(arguments).show(
        [{name: getattr(each, name) for name in ("check", "status", "detail")} for each in findings], is_report=True
    )
    return next((each.code for each in findings if each.status == "failed"), 0)


def _examine(arguments: argparse.Namespace) -> Iterator[Finding]:
    key, finding = _check_key(arguments)
    yield finding
    try:
        transport = open_transport(
            arguments.api_url or read_environment().api_url, load_plugins(lambda _error: None).transports()
        )
    except SegOpsError as error:
        yield Finding("url", "failed", str(error), _USAGE)
    else:
        yield from _check_way(transport, key)
        transport.close()
    yield _check_queue()
    if conflict := describe_conflict():
        yield Finding("installation", "warning", conflict)
    for message in describe_unknown_variables():
        yield Finding("environment", "warning", message)
    yield from check_plugins()


def _check_queue() -> Finding:
    if IS_COMPILED:
        return Finding("track()", "ok", "compiled")
    return Finding("track()", "ok", "in Python, which takes about four times as long: there was no compiler for pip")


def _check_key(arguments: argparse.Namespace) -> tuple[str | None, Finding]:
    try:
        key = read_key(arguments) or read_environment().api_key
    except SegOpsConfigError as error:
        return None, Finding("key", "failed", str(error), _USAGE)
    if not key:
        return None, Finding(
            "key", "failed", "there is none: set SEGOPS_API_KEY, or name a file with --api-key-file", _USAGE
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        return None, Finding(
            "key", "failed", "it holds a space, a control or a non-ASCII character: copy it again", _USAGE
        )
    status, text = _KINDS.get(key[:3], ("failed", "of no known kind: it should begin with sk_"))
    return key, Finding("key", status, text, _USAGE)  # type: ignore[arg-type] # as in the table


def _check_way(transport: Transport, key: str | None) -> Iterator[Finding]:
    yield Finding("url", "ok", transport.url or type(transport).__name__)
    if transport.offline:
        yield Finding("server", "warning", "there is none at this URL: events are only written down")
        return
    proxy = getattr(transport, "proxy", None)
    yield Finding("proxy", "ok", f"{proxy} (from the environment)" if proxy else "none")
    if transport.url.startswith("https:"):
        yield check_tls(transport.url, proxy)
    elif transport.url.startswith("http:"):
        yield Finding("tls", "warning", "not used: fine on this machine, and nowhere else")
    yield from check_server(transport, key)
