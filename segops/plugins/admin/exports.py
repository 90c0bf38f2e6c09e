"""Exports: start them, wait for them, and download their files."""

from __future__ import annotations

from typing import Any, Literal

from segops.core import SegOpsResponseError
from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R, Record, number_of
from segops.plugins.admin.resource import EndpointCall, Fields, composite, endpoint
from segops.plugins.admin.sinks import Progress, Target, check_target, open_sink
from segops.plugins.admin.waiting import wait_for_job

ExportFormat = Literal["csv", "parquet", "html", "tsx", "json"]
"""Segments: "csv" or "parquet". Pages: "html", "tsx" or "json"."""

ExportStatus = Literal["pending", "complete", "failed"]


class ExportJob(Record):
    """An export.

    Attributes:
        id: The id. Some responses call it `export_id`: use `number`, which reads either.
        export_id: The id in some responses.
        status: "pending", "complete" or "failed".
        format: The file format.
        download_url: The URL of the file once the export is complete.
        expires_at: When the server deletes the file, about an hour later.
    """

    __slots__ = ()
    id: int
    export_id: int
    status: ExportStatus
    format: ExportFormat
    download_url: str
    expires_at: str

    @property
    def number(self) -> int:
        """The id of the export, whichever name the server uses.

        Raises:
            SegOpsResponseError: The server sent no id.
        """
        return number_of(self, "export_id", "id")


class Exportable(Crud[R]):
    """A resource with records that can be exported to a file.

    Attributes:
        default_format: The file format unless the caller chooses one.
    """

    default_format: ExportFormat

    @endpoint("POST", "{collection}{id}/export/", fields=())
    def export(
        self,
        call: EndpointCall,
        /,
        id: Id,
        body: Fields | None = None,
        *,
        format: ExportFormat | None = None,
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> ExportJob:
        """Start an export without waiting for it.

        Args:
            id: What to export.
            body: The options as a mapping.
            format: "csv" (the default) or "parquet" for segments; "html" (the default), "tsx" or "json" for pages.
            extra_fields: Undocumented options.
            fields: Further options as keywords.
        """
        keywords = fields if format is None else {"format": format, **fields}
        sent = call.fields(body, keywords, extra_fields)
        return call.record(ExportJob, id=id, body={"format": self.default_format, **sent})

    @endpoint("GET", "{collection}{id}/export/")
    def export_status(self, call: EndpointCall, id: Id, export: ExportJob | Id) -> ExportJob:
        """Get the status of an export.

        The API documents this endpoint for segments only; pages are assumed to work alike.

        Args:
            id: What was exported.
            export: The export, or its id.
        """
        return call.record(ExportJob, id=id, query={"export_id": _number(export)})

    @composite("export_status")
    def wait_for_export(self, id: Id, export: ExportJob | Id, *, timeout: float = 300.0) -> ExportJob:
        """Wait until an export is complete.

        Args:
            id: What was exported.
            export: The export, or its id.
            timeout: Seconds to wait at most.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: The export does not finish in time.
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

        The file appears under its name once it is complete. Only its owner can read it: it may contain personal data.

        Args:
            export: The export, or its id.
            target: The name of the file to write, or an open binary stream.
            progress: Called with the bytes received so far, and the total or None.
            timeout: Seconds for the download.
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
        format: ExportFormat | None = None,
        progress: Progress | None = None,
        timeout: float = 300.0,
    ) -> int:
        """Export to a file and return its size in bytes: start, wait, and download.

        Args:
            id: What to export.
            target: The name of the file to write, or an open binary stream.
            format: "csv" (the default) or "parquet" for segments; "html" (the default), "tsx" or "json" for pages.
            progress: Called with the bytes received so far, and the total or None.
            timeout: Seconds to wait for the export; the download has its own limit.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: The export does not finish in time.
        """
        check_target(target)
        done = self.wait_for_export(id, self.export(id, format=format), timeout=timeout)
        return self.download_export(done, target, progress=progress)


def _number(export: ExportJob | Id) -> Id:
    return export.number if isinstance(export, ExportJob) else export
