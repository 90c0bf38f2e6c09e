from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO

from pyarrow import RecordBatch, Schema, Table

class FileMetaData:
    num_rows: int

class ParquetFile:
    metadata: FileMetaData
    schema_arrow: Schema
    def __init__(self, source: BinaryIO, *, coerce_int96_timestamp_unit: str) -> None: ...
    def iter_batches(self, batch_size: int) -> Iterator[RecordBatch]: ...

def read_table(source: BinaryIO) -> Table: ...
def write_table(table: Table, where: BinaryIO | str | PathLike[str], *, compression: str = ...) -> None: ...
