"""Request bodies: JSON read with msgspec, and its complaints turned into refusals."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from segops.local.answers import refuse

T = TypeVar("T")


def parse(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a JSON body.

    Raises:
        Refusal: 400; it is not UTF-8, not JSON, or nested too deeply.
        msgspec.ValidationError: It is JSON, but not of the decoder's type.
    """
    try:
        body.decode()  # msgspec does not look into the strings of a Raw
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(400, f"JSON parse error - {error}") from None
    except RecursionError:
        raise refuse(400, "JSON parse error - nested too deeply") from None
