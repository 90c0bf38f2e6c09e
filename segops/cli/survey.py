"""Look through files of events before any of them is sent: they are complete, and known again later."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import get_args

import msgspec

from segops.bulk.mapping import FIELDS, Field, RecordMapping
from segops.cli.errors import DamagedFileError
from segops.cli.event_files import STDIN, open_events
from segops.cli.parquet import ParquetFile
from segops.core import SegOpsArgumentError
from segops.utils import expand_home

_CHUNK = 1024 * 1024
_SHOWN = 10
_CAMEL_CASE = {
    "userId": "user_id",
    "eventType": "event_type",
    "occurredAt": "occurred_at",
    "anonymousId": "anonymous_id",
}
_NEEDED: tuple[Field, ...] = ("user_id", "event_type")


class Input(msgspec.Struct, frozen=True):
    """A file of events.

    Attributes:
        name: Its name, as it was given.
        size: Its size in bytes; None if it is not a regular file, which can be read only once.
        digest: The SHA-256 of its content; random if it is not a regular file.
        records: How many lines, items or rows it has; None if it is not a regular file.
        version: Changes whenever the file is written.
    """

    name: str
    size: int | None
    digest: str
    records: int | None
    version: tuple[int, int] = (0, 0)

    @property
    def is_regular(self) -> bool:
        """Whether it can be read again."""
        return self.size is not None

    def check_unchanged(self) -> None:
        """Check that nothing has written to the file.

        Raises:
            SegOpsArgumentError: Something has.
        """
        if self.is_regular and _version(self.name) != self.version:
            raise SegOpsArgumentError(
                f"{self.name!r} changed while it was read: send a copy of it, or wait until it is complete"
            )


def survey(names: Sequence[str], mapping: RecordMapping | None, ignored: Collection[str]) -> list[Input]:
    """Read all files to the end, without looking at the events.

    Args:
        names: The files, or "-" for standard input, which is left alone.
        mapping: How records are read that have another shape.
        ignored: Keys that are ignored.

    Raises:
        SegOpsArgumentError: One cannot be read, is damaged, was given twice, or has no column for a user.
        SegOpsConfigError: What reads its format is not installed.
    """
    seen = set()
    for name in names:
        path = os.path.realpath(expand_home(name))
        if path in seen:
            raise SegOpsArgumentError(f"{name!r} is given twice: its events would be sent twice")
        seen.add(path)
    return [_survey(name, mapping, ignored) for name in names]


def job_name(inputs: Sequence[Input]) -> str:
    """Return what names the job in the keys of its requests: the content of its files."""
    return hashlib.sha256("".join(each.digest for each in inputs).encode()).hexdigest()


def _survey(name: str, mapping: RecordMapping | None, ignored: Collection[str]) -> Input:
    path = Path(expand_home(name))
    if name == STDIN or (path.exists() and not S_ISREG(path.stat().st_mode) and not path.is_dir()):
        return Input(name, None, uuid.uuid4().hex, None)
    version = _version(name) if path.exists() else (0, 0)
    try:
        with open_events(name) as file:
            if isinstance(file, ParquetFile):
                _check_columns(file, name, mapping, ignored)
            records = len(file) if isinstance(file, ParquetFile) else sum(1 for _ in file)
    except DamagedFileError as error:
        remedy = "get a complete copy of it"
        if "Parquet" not in str(error):
            remedy += ", or pipe in what is readable: zcat FILE | segops send -"
        raise DamagedFileError(f"{error}: nothing was sent; {remedy}") from error
    found = Input(name, version[1], _digest(path), records, version)
    found.check_unchanged()
    return found


def _version(name: str) -> tuple[int, int]:
    try:
        status = os.stat(expand_home(name))  # noqa: PTH116 - once per request
    except OSError as error:
        raise SegOpsArgumentError(f"cannot read {name!r} any more ({error.strerror})") from error
    return status.st_mtime_ns, status.st_size


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check_columns(file: ParquetFile, name: str, mapping: RecordMapping | None, ignored: Collection[str]) -> None:
    """Check that a Parquet file can have events: a column that is missing would make each row a bad one."""
    columns = {_CAMEL_CASE.get(column, column): kind for column, kind in file.columns.items()}
    shown = ", ".join([*list(file.columns)[:_SHOWN], *(["…"] if len(file.columns) > _SHOWN else [])])
    if mapping is not None:
        for field in _NEEDED:
            if missing := mapping.missing(field, file.columns):
                wanted = " or ".join(map(repr, missing))
                raise SegOpsArgumentError(
                    f"{name!r} has no column {wanted} for {field}: it has {shown}; add --map {field}=COLUMN"
                )
        return
    for field in _NEEDED:
        if field not in columns:
            raise SegOpsArgumentError(f"{name!r} has no column {field!r}: it has {shown}; add --map {field}=COLUMN")
    if "int" in columns["user_id"]:
        raise SegOpsArgumentError(
            f"user_id in {name!r} is of type {columns['user_id']}, and user ids are text: "
            "add --map user_id=user_id, which converts it"
        )
    unknown = [column for column in columns if column not in get_args(Field) and column not in ignored]
    if unknown:
        listed = ", ".join(map(repr, unknown[:_SHOWN]))
        raise SegOpsArgumentError(
            f"{name!r} has columns that no event has: {listed}; an event has {', '.join(FIELDS)}. "
            "To send them in the payload, add --map 'payload=*'; to leave one out, add --ignore-key NAME"
        )
