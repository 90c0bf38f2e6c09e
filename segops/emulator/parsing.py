"""Request bodies: JSON read with msgspec, and its complaints turned into refusals."""

from __future__ import annotations

import json
import math
import re
from typing import TypeVar

import msgspec

from segops.emulator.answers import refuse

T = TypeVar("T")

# Most bodies have none of these, so they are not read twice.
_MAYBE_TOO_LARGE = re.compile(r"[0-9]{300}|[0-9][eE]\+?[0-9]{3}", re.ASCII)


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
    except ValueError:  # Python reads no number of more than some 4,300 digits
        raise refuse(400, "JSON parse error - number out of range") from None


def check_numbers(text: str) -> None:
    """Check that JSON text has no number that a 64-bit float cannot hold, as parsers of other languages would.

    Raises:
        ValueError: It has one, or is nested too deeply to be looked into.
    """
    if not _MAYBE_TOO_LARGE.search(text):
        return
    try:
        json.loads(text, parse_int=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("Nested too deeply.") from None


def _finite(digits: str) -> None:
    if not math.isfinite(float(digits)):
        raise ValueError(f"Number out of range: {digits[:20]}…")
