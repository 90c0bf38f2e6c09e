"""Make Idempotency-Keys that follow from what is sent."""

from __future__ import annotations

import uuid

_VERSION, _VARIANT = 0x80, 0x80


def stable_key(body: bytes, *names: object) -> str:
    """Return a UUID of version 8: the same for the same body and names each time, and for no others.

    Args:
        body: The body of the request.
        names: What else the request is known by, such as its place in a file.

    Source: RFC 9562, section 5.8.
    """
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and most programs do not need it

    name = "".join(f"{each}\0" for each in names).encode()
    digest = bytearray(sha256(name + body).digest()[:16])
    digest[6] = digest[6] & 0x0F | _VERSION
    digest[8] = digest[8] & 0x3F | _VARIANT
    return str(uuid.UUID(bytes=bytes(digest)))
