"""Register the `local:` scheme, and load the local SegOps when such a URL is used."""

from __future__ import annotations

from collections.abc import Mapping

from segops.core import Transport, TransportFactory, hookimpl
from segops.utils import needs_modules


def _open(url: str) -> Transport:
    with needs_modules("the local SegOps"):
        from segops.emulator.transport import LocalTransport  # noqa: PLC0415 - loads sqlite3

    return LocalTransport.from_url(url)


@hookimpl
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Register `local:`."""
    return {"local": _open}
