"""Exports: started, waited for, downloaded.

Source: wire-protocol.md, sections 6.1, 6.9 and 11 (point 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segops.core import SegOpsArgumentError
from segops.plugins.admin.bodies import merge
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import Call, Fields
from segops.plugins.admin.sinks import Progress, Target, open_sink


class ExportJob(Record):
    """An export.

    Attributes:
        id: Its number; an answer may have it as `export_id` instead, so read `number`.
        status: "pending", "complete" or "failed".
        format: The format of the file.
        download_url: Where the file is, once it is complete.
        expires_at: When the file is deleted, about an hour later.
    """

    __slots__ = ()
    id: int
    export_id: int
    status: str
    format: str
    download_url: str
    expires_at: str

    @property
    def number(self) -> int:
        """The number of the export, whatever the server calls it."""
        return int(self.get("export_id", self.get("id", 0)))


def number_of(export: ExportJob | Id) -> Id:
    """Return the number of an export that is given as such or as a job."""
    return export.number if isinstance(export, ExportJob) else export


def export_body(body: Fields | None, form: str | None, fields: Mapping[str, Any], default: str) -> dict[str, Any]:
    """Return the options of an export, with the format in any case."""
    given = {} if form is None else {"format": form}
    return {"format": default, **merge(body, {**given, **fields})}


def download(call: Call, export: ExportJob | Id, target: Target, progress: Progress | None, timeout: float) -> int:
    """Write the file of an export and return its size in bytes.

    Raises:
        SegOpsArgumentError: The file cannot be written.
    """
    url = export.get("download_url") if isinstance(export, ExportJob) else None
    if url is not None and not isinstance(url, str):
        raise SegOpsArgumentError("the download_url of this export is no text: read its status again")
    with open_sink(target, progress) as sink:
        call.fetch(url, sink, timeout=timeout, export_id=number_of(export))
        return sink.size
