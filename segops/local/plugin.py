"""The plugin that registers the `local:` scheme; loads nothing else until such a URL is used."""

from __future__ import annotations

from collections.abc import Mapping

from segops.core import Transport, TransportFactory, hookimpl


def _open(url: str) -> Transport:
    from segops.local.transport import LocalTransport  # noqa: PLC0415 - loads sqlite3, which `import segops` must not

    return LocalTransport.from_url(url)


@hookimpl
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Register `local:`."""
    return {"local": _open}
