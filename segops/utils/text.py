"""Decode text files, escape terminal control characters, and find the name that was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

BOM = b"\xef\xbb\xbf"
"""The byte order mark that Windows programs write in front of UTF-8."""

_SIGNATURES = (
    (b"\xff\xfe\x00\x00", "UTF-32: save it as UTF-8"),
    (b"\xff\xfe", "UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16: save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32: save it as UTF-8"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"PAR1", "a Parquet file: export it as JSON lines"),
)

_CONTROLS = (
    r"[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e0fff]"
)
"""Control characters, direction marks, line separators, surrogates, and invisible characters.

The joiners U+200C and U+200D are not included, because emoji and some scripts need them.
"""


def find_foreign_encoding(head: bytes) -> str | None:
    """Return the format of a file that is not UTF-8, and what to do about it; None if its start looks like text."""
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            return description
    if b"\0" in head[:2]:  # UTF-16 without a mark has a zero in each ASCII character
        return "UTF-16 or not text: save it as UTF-8"
    return None


def decode_text(content: bytes) -> str:
    """Return the text of a file in UTF-8, without its byte order mark.

    Raises:
        ValueError: The file is in another encoding or compressed; the message says what to do.
    """
    if foreign := find_foreign_encoding(content):
        raise ValueError(f"it is {foreign}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8 (byte {error.start}): save it as UTF-8") from None


def escape(text: str, keep: str = "") -> str:
    """Escape control characters in text, so that it is safe to print on a terminal.

    Args:
        text: The text.
        keep: Control characters to leave as they are, such as line breaks.
    """
    return re.sub(_CONTROLS, lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def format_json(value: Any, indent: int | None = None, *, ascii_only: bool = False) -> str:
    """Return a value as JSON, with the characters escaped that `escape` escapes."""
    import json  # noqa: PLC0415 - every client loads this module, and few programs print JSON

    return escape_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only))


def escape_json(text: str) -> str:
    """Return the same JSON, with the characters escaped that `escape` escapes."""
    return re.sub(_CONTROLS, lambda found: found[0] if found[0] == "\n" else _json_escaped(found[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    import json  # noqa: PLC0415 - as above

    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, for "did you mean"; None if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

    return next(iter(get_close_matches(name, list(known), n=1)), None)
