"""Exports: started, waited for, downloaded.

Source: wire-protocol.md, sections 6.1, 6.9 and 11 (point 16).
"""

from __future__ import annotations

from typing import Any

from segops.core import SegOpsResponseError
from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R, Record, number_of
from segops.plugins.admin.resource import EndpointCall, Fields, composite, endpoint
from segops.plugins.admin.sinks import Progress, Target, check_target, open_sink
from segops.plugins.admin.waiting import wait_for_job


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
        """The number of the export, whatever the server calls it.

        Raises:
            SegOpsResponseError: The server sent none.
        """
        return number_of(self, "export_id", "id")


class Exportable(Crud[R]):
    """What can be exported into a file.

    Attributes:
        default_format: The format of the file if none is asked for.
    """

    default_format: str

    @endpoint("POST", "{collection}{id}/export/", fields=("format",))
    def export(
        self,
        call: EndpointCall,
        /,
        id: Id,
        body: Fields | None = None,
        *,
        format: str | None = None,
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> ExportJob:
        """Start to write it into a file; it does not wait for the outcome.

        Args:
            id: What to export.
            body: The options as a mapping.
            format: "csv" (the default) or "parquet" for segments; "html" (the default), "tsx" or "json" for pages.
            extra_fields: Options that are not documented.
            fields: More options.
        """
        given = {} if format is None else {"format": format}
        sent = call.fields(body, {**given, **fields}, extra_fields)
        return call.record(ExportJob, id=id, body={"format": self.default_format, **sent})

    @endpoint("GET", "{collection}{id}/export/")
    def export_status(self, call: EndpointCall, id: Id, export: ExportJob | Id) -> ExportJob:
        """Tell whether the file of an export is there.

        The documentation has this endpoint for segments; for pages it is an inference.

        Args:
            id: What was exported.
            export: The export, or its number.
        """
        return call.record(ExportJob, id=id, query={"export_id": _number(export)})

    @composite("export_status")
    def wait_for_export(self, id: Id, export: ExportJob | Id, *, timeout: float = 300.0) -> ExportJob:
        """Wait until the file of an export is there.

        Args:
            id: What was exported.
            export: The export, or its number.
            timeout: Seconds to wait at most.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: It takes longer.
        """
        first = export if isinstance(export, ExportJob) else self.export_status(id, export)
        return wait_for_job(
            self.http, first, lambda: self.export_status(id, export), timeout=timeout, what="the export"
        )

    @endpoint("GET", "{exports}{export_id}/download/")
    def download_export(
        self,
        call: EndpointCall,
        export: ExportJob | Id,
        target: Target,
        *,
        progress: Progress | None = None,
        timeout: float = 3600.0,
    ) -> int:
        """Download the file of an export and return its size in bytes.

        A file appears under its name only once it is complete, readable by its owner alone: it may hold personal data.

        Args:
            export: The export, or its number.
            target: The name of a file, or an open binary stream.
            progress: Is told the bytes that there are, and the bytes that there will be or None.
            timeout: Seconds that it may take.
        """
        url = export.get("download_url") if isinstance(export, ExportJob) else None
        if url is not None and not isinstance(url, str):
            raise SegOpsResponseError(f"download_url must be a string, got {type(url).__name__}", status=200)
        with open_sink(target, progress) as sink:
            call.fetch(url, sink, timeout=timeout, export_id=_number(export))
            return sink.size

    @composite("export", "export_status", "download_export")
    def export_to(
        self,
        id: Id,
        target: Target,
        *,
        format: str | None = None,
        progress: Progress | None = None,
        timeout: float = 300.0,
    ) -> int:
        """Export it into a file: start, wait, download; return the size of the file in bytes.

        Args:
            id: What to export.
            target: The name of a file, or an open binary stream.
            format: "csv" (the default) or "parquet" for segments; "html" (the default), "tsx" or "json" for pages.
            progress: Is told the bytes that there are, and the bytes that there will be or None.
            timeout: Seconds to wait for the file to be written; the download has its own limit.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: It takes longer.
        """
        check_target(target)
        done = self.wait_for_export(id, self.export(id, format=format), timeout=timeout)
        return self.download_export(done, target, progress=progress)


def _number(export: ExportJob | Id) -> Id:
    return export.number if isinstance(export, ExportJob) else export
