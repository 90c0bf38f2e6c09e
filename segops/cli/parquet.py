"""Read the rows of Parquet files (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from segops.cli.errors import DamagedFileError
from segops.utils import needs_modules

MAGIC = b"PAR1"

_ROWS = 2000


class ParquetFile:
    """An open Parquet file.

    Args:
        stream: Its bytes.
        name: What to call it in messages.

    Attributes:
        unit: What the numbers of its events count.
        columns: Its columns, with the names of their types.

    Raises:
        DamagedFileError: It cannot be read.
        SegOpsConfigError: pyarrow is not installed.
    """

    unit = "row"

    def __init__(self, stream: BinaryIO, name: str) -> None:
        with needs_modules(f"reading {name}, which is a Parquet file,", extra="parquet"):
            from pyarrow import parquet  # noqa: PLC0415 - an extra
        self._name = name
        with self._reading():
            self._file = parquet.ParquetFile(stream, coerce_int96_timestamp_unit="us")
        self.columns = {field.name: str(field.type) for field in self._file.schema_arrow}

    def __iter__(self) -> Iterator[tuple[int, bytes | dict[str, Any]]]:
        """Yield the number of each row, from 1, with its values.

        Raises:
            DamagedFileError: The rest of the file cannot be read.
        """
        number = 0
        for rows in self._read_batches():
            for row in rows:
                number += 1
                yield number, row

    def __len__(self) -> int:
        """Return how many rows it has."""
        return self._file.metadata.num_rows

    def _read_batches(self) -> Iterator[Sequence[dict[str, Any]]]:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        # Python has no nanoseconds, and a map comes as a list of pairs.
        fields = [
            pa.field(field.name, pa.timestamp("us", field.type.tz))
            if str(field.type).startswith("timestamp[ns")
            else field
            for field in self._file.schema_arrow
        ]
        schema = pa.schema(fields)
        maps = [name for name, kind in self.columns.items() if kind.startswith("map<")]
        with self._reading():
            for batch in self._file.iter_batches(_ROWS):
                rows = pa.Table.from_batches([batch]).cast(schema, safe=False).to_pylist()
                for row in rows:
                    for name in maps:
                        row[name] = None if row[name] is None else dict(row[name])
                yield rows

    @contextmanager
    def _reading(self) -> Iterator[None]:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        try:
            yield
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DamagedFileError(f"cannot read {self._name}, a Parquet file, to the end ({reason})") from error
