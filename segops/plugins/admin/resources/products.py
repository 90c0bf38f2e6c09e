"""Products: the catalogue, its schema, its scores, and how it is filled.

Source: wire-protocol.md, section 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from segops.core import SegOpsArgumentError, SegOpsBadRequestError, SegOpsError, SegOpsJobError
from segops.plugins.admin.bodies import multipart
from segops.plugins.admin.bulk import BATCH_SIZE, MAX_BYTES, UpsertReport, upsert
from segops.plugins.admin.crud import Crud
from segops.plugins.admin.csv_files import Upload, read_csv
from segops.plugins.admin.fields import AllowedFields
from segops.plugins.admin.messages import listed, quoted
from segops.plugins.admin.pagination import PARAMETERS
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record, documented_fields, number_of
from segops.plugins.admin.resource import Endpoint, EndpointCall, Fields, composite, endpoint
from segops.plugins.admin.waiting import wait_for_job


class Product(Record):
    """A product.

    Attributes:
        id: Its number.
        sku: The code that is unique among the products.
        name: Its name.
        data: Its attributes.
        source: "csv" or "api".
        ai_readability_score: From 0 to 100; None before it was scored.
        created_at: When it was stored first, as ISO 8601.
        updated_at: When it was changed last.
    """

    __slots__ = ()
    id: int
    sku: str
    name: str
    data: dict[str, Any]
    source: str
    ai_readability_score: float | None
    created_at: str
    updated_at: str


class ProductSchema(Record):
    """Which attributes products have.

    Attributes:
        id: Its number.
        fields: The attributes, each with `name`, `type`, `required` and `description`.
        default_currency: Such as "EUR".
        default_locale: Such as "en-US".
        created_at: When it was stored first, as ISO 8601.
        updated_at: When it was changed last.
    """

    __slots__ = ()
    id: int
    fields: list[dict[str, Any]]
    default_currency: str
    default_locale: str
    created_at: str | None
    updated_at: str | None


class ProductScore(Record):
    """How well assistants can read a product.

    Attributes:
        id: Its number.
        score: From 0 to 100.
        dimension_scores: From 0 to 25 each.
        recommendations: What would help, each with `dimension`, `action`, `estimated_impact` and `priority`.
        scored_at: When it was scored, as ISO 8601.
    """

    __slots__ = ()
    id: int
    score: float
    dimension_scores: dict[str, float]
    recommendations: list[dict[str, Any]]
    scored_at: str


class ImportJob(Record):
    """The import of a CSV file.

    Attributes:
        job_id: Its number.
        status: "pending", "mapping" (wants to be confirmed), "importing", "done" or "failed".
        headers: The columns of the file.
        sample_rows: The first rows.
        suggested_schema: What the columns seem to hold.
        suggested_mapping: The field for each column, or "sku", "name" or "skip".
    """

    __slots__ = ()
    job_id: int
    status: str
    headers: list[str]
    sample_rows: list[Any]
    suggested_schema: Any
    suggested_mapping: dict[str, str]

    @property
    def number(self) -> int:
        """The number of the import, whatever the server calls it.

        Raises:
            SegOpsResponseError: The server sent none.
        """
        return number_of(self, "job_id", "id")


_NO_FIELDS = frozenset({"", "sku", "name", "skip"})
_SCHEMA_FIELDS = tuple(documented_fields(ProductSchema))


class Products(Crud[Product]):
    """The catalogue. Lists take `q` (in the name) and `field=value` (an attribute)."""

    path = "/pim/products/"

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may have; None if any will do."""
        if endpoint.fields == "filters":
            return AllowedFields(PARAMETERS["page"] | {"q"}, is_open=True)
        return super().allowed_fields(endpoint)

    @endpoint("POST", "/pim/products/bulk/")
    def bulk_upsert(
        self,
        call: EndpointCall,
        rows: Iterable[Mapping[str, Any]],
        *,
        batch_size: int = BATCH_SIZE,
        max_bytes: int = MAX_BYTES,
        progress: Callable[[UpsertReport], object] | None = None,
    ) -> UpsertReport:
        """Create or update products by their SKU, however many; rows that are not taken are reported, each by itself.

        Args:
            rows: Mappings with `sku`, `name` and `data`; any iterable, which is read as it is sent.
            batch_size: How many rows one request has at most.
            max_bytes: How many bytes of rows one request has at most.
            progress: Is given the report after each request: what it says is stored, whatever happens then.

        Raises:
            SegOpsApiError: The server refused for another reason than the rows.
        """
        return upsert(
            lambda body: call.json(body=msgspec.Raw(body)),
            rows,
            batch_size=batch_size,
            max_bytes=max_bytes,
            progress=progress,
        )

    @endpoint("POST", "/pim/products/{id}/score/")
    def score(self, call: EndpointCall, id: Id) -> Receipt:
        """Score one product; it does not wait for the outcome.

        Args:
            id: The product.
        """
        return call.receipt(id=id)

    @endpoint("GET", "/pim/products/{id}/score/")
    def get_score(self, call: EndpointCall, id: Id) -> ProductScore:
        """Read the last score of a product.

        Args:
            id: The product.
        """
        return call.record(ProductScore, id=id)

    @endpoint("POST", "/pim/score-all/")
    def score_all(self, call: EndpointCall) -> Receipt:
        """Score all products; it does not wait for the outcome."""
        return call.receipt()

    @endpoint("GET", "/pim/facets/")
    def facets(self, call: EndpointCall) -> Record:
        """List the values that the attributes have; how they are nested is not documented."""
        return call.record(Record)

    @endpoint("GET", "/pim/schema/")
    def schema(self, call: EndpointCall) -> ProductSchema:
        """Read which attributes products have."""
        return call.record(ProductSchema)

    @endpoint("PUT", "/pim/schema/", fields=_SCHEMA_FIELDS)
    def update_schema(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> ProductSchema:
        """Replace which attributes products have.

        Args:
            body: `fields`, `default_currency` and `default_locale` as a mapping.
            extra_fields: Fields that are not documented.
            fields: The same as keywords.
        """
        return call.record(ProductSchema, body=call.fields(body, fields, extra_fields))

    @endpoint("POST", "/pim/import/csv/", verb="import")
    def import_csv(
        self,
        call: EndpointCall,
        file: Upload,
        filename: str | None = None,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> ImportJob:
        """Upload a CSV file; nothing is imported until `confirm_import`.

        The file is converted to UTF-8 and commas if it has another encoding or separator; gzip is unpacked.

        Args:
            file: The name of the file, its content, or an open binary stream.
            filename: What to call it. Default: its name, or "products.csv".
            delimiter: What separates the columns, such as ";" or "tab". Default: what the first rows show.
            encoding: Such as "cp1252". Default: that of the byte order mark, else UTF-8.

        Raises:
            SegOpsArgumentError: It cannot be read, or is no CSV; nothing was sent.
        """
        content, name = read_csv(file, filename, delimiter=delimiter, encoding=encoding)
        return call.record(ImportJob, body=multipart("file", name, content, "text/csv"))

    @endpoint("GET", "/pim/import/{job_id}/")
    def import_status(self, call: EndpointCall, job_id: Id) -> ImportJob:
        """Tell how far an import is.

        Args:
            job_id: The import.
        """
        return call.record(ImportJob, job_id=job_id)

    @endpoint("POST", "/pim/import/{job_id}/confirm/", fields=("mapping", "schema", "confirmed"))
    def confirm_import(
        self,
        call: EndpointCall,
        /,
        job_id: Id,
        body: Fields | None = None,
        *,
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> Receipt:
        """Import an uploaded file.

        Args:
            job_id: The import.
            body: `mapping` (a field, "sku", "name" or "skip" for each column), `schema` and `confirmed` as a mapping.
            extra_fields: Fields that are not documented.
            fields: The same as keywords.
        """
        confirmation = call.fields(body, fields, extra_fields)
        try:
            return call.receipt(job_id=job_id, body=confirmation)
        except SegOpsBadRequestError as error:
            with suppress(SegOpsError):
                error.advice = _advice(self.import_status(job_id))
            raise

    @composite("import_csv", "confirm_import", "import_status")
    def import_and_wait(
        self,
        file: Upload,
        *,
        filename: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        mapping: Mapping[str, str | None] | None = None,
        schema: Any = None,
        timeout: float = 600.0,
    ) -> ImportJob:
        """Upload a CSV file, confirm it, and return the import when it is done.

        Args:
            file: The name of the file, its content, or an open binary stream.
            filename: What to call it. Default: its name, or "products.csv".
            delimiter: What separates the columns, such as ";" or "tab". Default: what the first rows show.
            encoding: Such as "cp1252". Default: that of the byte order mark, else UTF-8.
            mapping: The field for each column, or "sku", "name" or "skip"; columns that are not in it are skipped.
                Default: what the server suggests.
            schema: What the fields hold. Default: what the server suggests for the columns that are imported.
            timeout: Seconds to wait at most after the upload; the import goes on.

        Raises:
            SegOpsArgumentError: The file cannot be read, or is no CSV; nothing was sent.
            SegOpsJobError: The import failed.
            SegOpsTimeoutError: It takes longer.
        """
        if mapping is not None and not isinstance(mapping, Mapping):
            raise SegOpsArgumentError(f"mapping must be a mapping of columns to fields, got {type(mapping).__name__}")
        job = self.import_csv(file, filename, delimiter=delimiter, encoding=encoding)
        confirmation = {
            "mapping": job.get("suggested_mapping") if mapping is None else mapping,
            "schema": suggested_schema(job, mapping) if schema is None else schema,
            "confirmed": True,
        }
        receipt = self.confirm_import(job.number, {name: value for name, value in confirmation.items() if value})
        try:
            return wait_for_job(
                self.http,
                ImportJob({"job_id": job.number, **receipt}),
                lambda: self.import_status(job.number),
                timeout=timeout,
                what="the import",
            )
        except SegOpsJobError as error:
            raise SegOpsJobError(f"{error}; {_advice(job)}", job=error.job) from None


def suggested_schema(job: ImportJob, mapping: Mapping[str, str | None] | None) -> Any:
    """Return the schema that the server suggests for an import, cut to the columns that are imported.

    A field that the caller gives another name keeps its type. None if the server suggests nothing that can be cut.

    Args:
        job: The import.
        mapping: The caller's mapping; None for that of the server, which its schema fits.
    """
    suggested, columns = job.get("suggested_schema"), job.get("suggested_mapping")
    if mapping is None:
        return suggested
    fields = suggested.get("fields") if isinstance(suggested, dict) else suggested
    if not isinstance(fields, list) or not isinstance(columns, dict):
        return None
    by_name = {str(field.get("name")): field for field in fields if isinstance(field, dict)}
    cut: dict[str, Any] = {}
    for column, target in mapping.items():
        field = by_name.get(str(columns.get(column))) or by_name.get(str(target))
        if isinstance(target, str) and target not in _NO_FIELDS and field is not None:
            cut.setdefault(target, {**field, "name": target})
    chosen = list(cut.values())
    return {**suggested, "fields": chosen} if isinstance(suggested, dict) else chosen


def _advice(job: ImportJob) -> str:
    """Return what to do when the columns of a file do not fit."""
    headers = job.get("headers")
    columns = f"; the columns are {listed(map(quoted, headers))}" if isinstance(headers, list) else ""
    return f"pass mapping={{column: field}} with one column as 'sku' (--mapping on the command line){columns}"
