"""Read CSV files and convert them to what the service accepts: UTF-8, separated by commas.

The SDK decompresses gzip and converts other encodings and delimiters before the upload.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
import zlib
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from segops.core import SegOpsArgumentError
from segops.plugins.admin.messages import printable
from segops.utils import expand_home

Upload = str | os.PathLike[str] | bytes | BinaryIO
"""The name of a file, its content, or an open binary stream."""

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 50
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

_GZIP = b"\x1f\x8b"
_MARKS = {  # longest first: the mark of UTF-32 starts like the mark of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV",
    b"\xfd7zXZ": "compressed with xz: unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it",
    b"%PDF-": "a PDF: save it as CSV",
}
_JSON = re.compile(r"\s*(?:\[\s*[\[{\]]|\{\s*[\"}])")
_DECLARED = re.compile(r'"?sep=(.)"?[^\S\r\n]*(?:\r\n|\r|\n)', re.IGNORECASE)


def read_csv(
    file: Upload, filename: str | None, *, delimiter: str | None = None, encoding: str | None = None
) -> tuple[bytes, str]:
    """Read a CSV file and return its content, in UTF-8 and separated by commas, and its name.

    Args:
        file: The file.
        filename: The name to use.
        delimiter: The column delimiter. Default: detected from the first rows.
        encoding: The encoding. Default: from the byte order mark, otherwise UTF-8.

    Raises:
        SegOpsArgumentError: The file cannot be read, or is not CSV: empty, binary, JSON, or in another encoding.
    """
    separator = None if delimiter is None else _checked(delimiter)
    if isinstance(file, str | os.PathLike):
        content = _read_file(Path(expand_home(file)))
        filename = filename or Path(file).name
    else:
        content = file if isinstance(file, bytes) else _read_stream(file)
    name = filename or "products.csv"
    if content.startswith(_GZIP):
        content, name = _unpacked(content, name), name.removesuffix(".gz")
    if not content.strip():
        raise SegOpsArgumentError(f"{printable(name)} is empty: use a CSV file with a header and at least one row")
    text = _decoded(content, name, encoding)
    if _JSON.match(text):
        raise SegOpsArgumentError(
            f"{printable(name)} is not a CSV file: it contains JSON; pass its rows to products.bulk_upsert "
            "(segops products bulk-upsert FILE)"
        )
    declared = _DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
        separator = separator or declared[1]
    separator = separator or _separator(text, name)
    if separator != ",":
        text = _with_commas(text, separator, name)
    return text.encode(), name


def _checked(delimiter: str) -> str:
    """Return the delimiter as one character."""
    sign = _DELIMITERS.get(delimiter.lower(), delimiter) if isinstance(delimiter, str) else ""
    if len(sign) != 1 or sign.isalnum() or sign in '"\r\n ':
        raise SegOpsArgumentError(f"delimiter must be one character such as ';', or 'tab', got {delimiter!r}")
    return sign


def _unpacked(content: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise SegOpsArgumentError(f"{printable(name)} is not a CSV file: it is a damaged gzip file ({error})") from None


def _decoded(content: bytes, name: str, encoding: str | None) -> str:
    for mark, what in _OTHERS.items():
        if content.startswith(mark):
            raise SegOpsArgumentError(f"{printable(name)} is not a CSV file: it is {what}")
    marked = next((known for mark, known in _MARKS.items() if content.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    if chosen == "utf-8" and b"\0" in content:
        raise SegOpsArgumentError(
            f"{printable(name)} is not a CSV file: it contains NUL bytes; if it is UTF-16, pass "
            'encoding="utf-16-le" (--encoding utf-16-le)'
        )
    try:
        text = content.decode(chosen).removeprefix("\ufeff")
    except (LookupError, TypeError):
        raise SegOpsArgumentError(f"unknown encoding {chosen!r}: use one such as utf-8, utf-16 or cp1252") from None
    except ValueError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise SegOpsArgumentError(
            f"{printable(name)} is not a CSV file in {'UTF-8' if chosen == 'utf-8' else chosen}{at}: pass its "
            'encoding, such as encoding="cp1252" for Excel on Windows (--encoding cp1252), or save it as UTF-8'
        ) from None
    if "\0" in text:
        raise SegOpsArgumentError(
            f"{printable(name)} is not a CSV file in {chosen}: it contains NUL characters; pass its encoding"
        )
    return text


def _separator(text: str, name: str) -> str:
    """Return the delimiter that splits the header and the first rows into the same number of columns."""
    widths: dict[str, int] = {}
    fits: dict[str, int] = {}
    for sign in _SEPARATORS:
        rows = _first_rows(text, sign)
        if rows and len(rows[0]) > 1:
            widths[sign] = len(rows[0])
            if all(len(row) == len(rows[0]) for row in rows):
                fits[sign] = len(rows[0])
    candidates = fits or widths
    best = [sign for sign, width in candidates.items() if width == max(candidates.values())]
    if len(best) > 1:
        raise SegOpsArgumentError(
            f"{printable(name)} may be delimited by {' or '.join(map(repr, best))}: pass one as delimiter (--delimiter)"
        )
    return best[0] if best else ","


def _first_rows(text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return list(islice((row for row in reader if any(row)), _SAMPLE_ROWS))
    except csv.Error:
        return []


def _with_commas(text: str, separator: str, name: str) -> str:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    written = io.StringIO(newline="")
    try:
        csv.writer(written).writerows(reader)
    except csv.Error as error:
        raise SegOpsArgumentError(f"{printable(name)} is not a CSV file: line {reader.line_num}: {error}") from None
    return written.getvalue()


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be read ({printable(reason)}): use the name of a CSV file"
        ) from error


def _read_stream(file: BinaryIO) -> bytes:
    content = file.read() if hasattr(file, "read") else None
    if not isinstance(content, bytes):
        raise SegOpsArgumentError(f"file must be a path, bytes or a binary stream, got {type(file).__name__}")
    return content
