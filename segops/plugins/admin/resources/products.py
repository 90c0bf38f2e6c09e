"""Products: the catalogue, its schema, its scores, and imports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

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
        id: The id.
        sku: The SKU, unique among the products.
        name: The name.
        data: The attributes.
        source: Where the product came from.
        ai_readability_score: From 0 to 100; None before the first scoring.
        created_at: When it was created, as ISO 8601.
        updated_at: When it was last changed, as ISO 8601.
    """

    __slots__ = ()
    id: int
    sku: str
    name: str
    data: dict[str, Any]
    source: Literal["csv", "api"]
    ai_readability_score: float | None
    created_at: str
    updated_at: str


class ProductSchema(Record):
    """The attributes of products.

    Attributes:
        id: The id.
        fields: The attributes, each with `name`, `type`, `required` and `description`.
        default_currency: Such as "EUR".
        default_locale: Such as "en-US".
        created_at: When it was created, as ISO 8601.
        updated_at: When it was last changed, as ISO 8601.
    """

    __slots__ = ()
    id: int
    fields: list[dict[str, Any]]
    default_currency: str
    default_locale: str
    created_at: str | None
    updated_at: str | None


class ProductScore(Record):
    """How well AI assistants can read a product.

    Attributes:
        id: The id.
        score: The score, from 0 to 100.
        dimension_scores: The score of each dimension, from 0 to 25.
        recommendations: Improvements, each with `dimension`, `action`, `estimated_impact` and `priority`.
        scored_at: When the product was scored, as ISO 8601.
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
        job_id: The id.
        status: The progress; "mapping" waits for `confirm_import`.
        headers: The columns of the file.
        sample_rows: The first rows.
        suggested_schema: The types that the server suggests for the fields.
        suggested_mapping: The field for each column, or "sku", "name" or "skip".
    """

    __slots__ = ()
    job_id: int
    status: Literal["pending", "mapping", "importing", "done", "failed"]
    headers: list[str]
    sample_rows: list[Any]
    suggested_schema: Any
    suggested_mapping: dict[str, str]

    @property
    def number(self) -> int:
        """The id of the import, whichever name the server uses.

        Raises:
            SegOpsResponseError: The server sent no id.
        """
        return number_of(self, "job_id", "id")


_NO_FIELDS = frozenset({"", "sku", "name", "skip"})
_SCHEMA_FIELDS = tuple(documented_fields(ProductSchema))


class Products(Crud[Product]):
    """Import, score, and manage the product catalogue. Lists filter by `q` (in the name) and by any attribute."""

    path = "/pim/products/"

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may contain; None for any."""
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
        """Create or update any number of products by SKU, and report on each rejected row.

        Args:
            rows: Mappings with `sku`, `name` and `data`; an iterable is read while its rows are sent.
            batch_size: Rows per request, at most.
            max_bytes: Bytes of rows per request, at most.
            progress: Called with the report after each request. Rows in it are stored.

        Raises:
            SegOpsApiError: The server returned an error that is not about the rows.
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
        """Queue the scoring of a product without waiting for it.

        Args:
            id: The id of the product.
        """
        return call.receipt(id=id)

    @endpoint("GET", "/pim/products/{id}/score/")
    def get_score(self, call: EndpointCall, id: Id) -> ProductScore:
        """Get the last score of a product.

        Args:
            id: The id of the product.
        """
        return call.record(ProductScore, id=id)

    @endpoint("POST", "/pim/score-all/")
    def score_all(self, call: EndpointCall) -> Receipt:
        """Queue the scoring of all products without waiting for it."""
        return call.receipt()

    @endpoint("GET", "/pim/facets/")
    def facets(self, call: EndpointCall) -> Record:
        """Get the values of each attribute; the structure is undocumented."""
        return call.record(Record)

    @endpoint("GET", "/pim/schema/")
    def schema(self, call: EndpointCall) -> ProductSchema:
        """Get the attributes of products."""
        return call.record(ProductSchema)

    @endpoint("PUT", "/pim/schema/", fields=_SCHEMA_FIELDS)
    def update_schema(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> ProductSchema:
        """Replace the attributes of products.

        Args:
            body: `fields`, `default_currency` and `default_locale` as a mapping.
            extra_fields: Undocumented fields.
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
        """Upload a CSV file for import; `confirm_import` starts the import.

        The SDK decompresses gzip and converts other encodings and delimiters.

        Args:
            file: The name of the file, its content, or an open binary stream.
            filename: The name to use. Default: the name of the file, or "products.csv".
            delimiter: The column delimiter, such as ";" or "tab". Default: detected from the first rows.
            encoding: The encoding, such as "cp1252". Default: from the byte order mark, otherwise UTF-8.

        Raises:
            SegOpsArgumentError: The file cannot be read, or is not CSV; nothing was sent.
        """
        content, name = read_csv(file, filename, delimiter=delimiter, encoding=encoding)
        return call.record(ImportJob, body=multipart("file", name, content, "text/csv"))

    @endpoint("GET", "/pim/import/{job_id}/")
    def import_status(self, call: EndpointCall, job_id: Id) -> ImportJob:
        """Get the status of an import.

        Args:
            job_id: The id of the import.
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
        """Start the import of an uploaded file.

        Args:
            job_id: The id of the import.
            body: `mapping` (a field, "sku", "name" or "skip" for each column), `schema` and `confirmed` as a mapping.
            extra_fields: Undocumented fields.
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
        """Upload a CSV file, confirm it, and wait for the import.

        Args:
            file: The name of the file, its content, or an open binary stream.
            filename: The name to use. Default: the name of the file, or "products.csv".
            delimiter: The column delimiter, such as ";" or "tab". Default: detected from the first rows.
            encoding: The encoding, such as "cp1252". Default: from the byte order mark, otherwise UTF-8.
            mapping: The field for each column, or "sku", "name" or "skip"; other columns are skipped.
                Default: what the server suggests.
            schema: The types of the fields. Default: what the server suggests for the imported columns.
            timeout: Seconds to wait after the upload, at most; the import continues.

        Raises:
            SegOpsArgumentError: The file cannot be read, or is not CSV; nothing was sent.
            SegOpsJobError: The import failed.
            SegOpsTimeoutError: The import does not finish in time.
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
    """Return the schema that the server suggests for an import, reduced to the imported columns.

    A field that the caller renames keeps its type. None if the suggestion cannot be reduced.

    Args:
        job: The import.
        mapping: The caller's mapping; None for the suggested one, which already fits.
    """
    suggested, columns = job.get("suggested_schema"), job.get("suggested_mapping")
    if mapping is None:
        return suggested
    fields = suggested.get("fields") if isinstance(suggested, dict) else suggested
    if not isinstance(fields, list) or not isinstance(columns, dict):
        return None
    by_name = {str(field.get("name")): field for field in fields if isinstance(field, dict)}
    reduced: dict[str, Any] = {}
    for column, target in mapping.items():
        field = by_name.get(str(columns.get(column))) or by_name.get(str(target))
        if isinstance(target, str) and target not in _NO_FIELDS and field is not None:
            reduced.setdefault(target, {**field, "name": target})
    chosen = list(reduced.values())
    return {**suggested, "fields": chosen} if isinstance(suggested, dict) else chosen


def _advice(job: ImportJob) -> str:
    """Return the fix for columns that cannot be imported."""
    headers = job.get("headers")
    columns = f"; the columns are {listed(map(quoted, headers))}" if isinstance(headers, list) else ""
    return f"pass mapping={{column: field}} with one column as 'sku' (--mapping on the command line){columns}"
