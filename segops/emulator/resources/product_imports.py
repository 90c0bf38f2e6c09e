"""Product imports: upload a CSV file, review the suggested mapping, and confirm it.

An import is in state `mapping` after the upload, then `done` or `failed`. The documented states `pending` and
`importing` never occur here, because both steps finish before the response.
"""

from __future__ import annotations

from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, read_fields, read_object
from segops.emulator.crud import Resource
from segops.emulator.multipart import read_upload
from segops.emulator.products import csv_files
from segops.emulator.products.schema import ProductSchema, SchemaField
from segops.emulator.resources.product_schema import SHOWN_ONLY, product_schema, store_schema
from segops.emulator.resources.products import upsert
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route, path_id
from segops.emulator.tables import Row
from segops.emulator.unknown_fields import unknown_field_errors

_SAMPLE_ROWS = 5
_REPORTED = 100
_DEFAULTS = frozenset({"default_currency", "default_locale"})

imports = Resource(
    "imports",
    {
        "filename": Field(str),
        "status": Field(str),
        "headers": Field(list[str], json=True),
        "total_rows": Field(int),
        "suggested_mapping": Field(dict[str, str], json=True),
        "suggested_schema": Field(ProductSchema, json=True),
        "created": Field(int, 0, read_only=True),
        "updated": Field(int, 0, read_only=True),
        "failed": Field(int, 0, read_only=True),
        "errors": Field(list[Any], [], read_only=True, json=True),
        "content": Field(str),
    },
)

_CONFIRMATION = {
    "confirmed": Field(bool, default=False),
    "mapping": Field(dict[str, str | None] | None, None),
    "schema": Field(list[SchemaField] | ProductSchema | None, None),
}


def upload(request: RequestContext) -> ApiResponse:
    """Upload a CSV file. The response suggests what its columns contain."""
    file = read_upload(request, "file")
    try:
        table = csv_files.read_csv(file.content)
    except ValueError as error:
        raise HTTPError(400, {"file": [str(error)]}) from None
    confirmed = dict(request.database.query("SELECT header, target FROM import_mappings"))
    mapping = csv_files.suggest_mapping(table, confirmed)
    values = {
        "filename": file.filename,
        "status": "mapping",
        "content": file.content.decode("utf-8-sig"),
        "headers": table.headers,
        "total_rows": len(table.rows),
        "suggested_mapping": mapping,
        "suggested_schema": csv_files.suggest_schema(table, mapping, product_schema(request.database)),
    }
    return ApiResponse(201, {**_shown(imports.insert(request, values)), "sample_rows": table.rows[:_SAMPLE_ROWS]})


def status(request: RequestContext) -> ApiResponse:
    """Read the state of an import."""
    return ApiResponse(200, _shown(imports.find(request, path_id(request))))


def confirm(request: RequestContext) -> ApiResponse:
    """Import an uploaded file with a mapping and a schema, by default the suggested ones."""
    job = imports.find(request, path_id(request))
    body = read_fields(request, _CONFIRMATION)
    _check_schema(read_object(request).get("schema"))
    if job["status"] != "mapping":
        raise HTTPError(400, f"This import is already {job['status']}: upload the file again.")
    if not body["confirmed"] and body["mapping"] is None:
        raise HTTPError(400, {"mapping": ['Send a mapping, or "confirmed": true for the suggested one.']})
    mapping = _mapping(job, body["mapping"])
    schema = _schema(request, job, body["schema"], mapping)
    return ApiResponse(202, _shown(_import(request, job, mapping, schema)))


def _check_schema(schema: Any) -> None:
    """Reject unknown members of a schema. `read_fields` has checked the types."""
    errors = (
        unknown_field_errors(schema, SHOWN_ONLY | set(ProductSchema.__struct_fields__))
        if isinstance(schema, dict)
        else {}
    )
    if errors:
        raise HTTPError(400, {"schema": [f"{name}: {message}" for name, (message,) in errors.items()]})


def _mapping(job: Row, given: dict[str, str | None] | None) -> dict[str, str]:
    chosen = job["suggested_mapping"] if given is None else given
    if unknown := chosen.keys() - set(job["headers"]):
        raise HTTPError(400, {"mapping": [f"The file has no column {min(unknown)!r}."]})
    mapping = {header: target or csv_files.SKIP for header, target in chosen.items()}
    targets = [target for target in mapping.values() if target != csv_files.SKIP]
    if targets.count("sku") != 1:
        raise HTTPError(400, {"mapping": [f'Map exactly one column to "sku". {_how_to_map(job)}']})
    if repeated := {target for target in targets if targets.count(target) > 1}:
        raise HTTPError(400, {"mapping": [f"More than one column is mapped to {min(repeated)!r}."]})
    return mapping


def _how_to_map(job: Row) -> str:
    columns = ", ".join(map(repr, job["headers"]))
    example = msgspec.json.encode({job["headers"][0]: "sku"}).decode()
    return (
        f"Pass a mapping such as mapping={example}, or --mapping '{example}' on the command line. Columns that it "
        f"omits are not imported. The columns are {columns}."
    )


def _schema(
    request: RequestContext, job: Row, given: list[SchemaField] | ProductSchema | None, mapping: dict[str, str]
) -> ProductSchema:
    """Return the schema of all products, including the fields of this import."""
    old = product_schema(request.database)
    if given is None:
        suggested = msgspec.convert(job["suggested_schema"], ProductSchema).fields
        new = ProductSchema([field for field in suggested if field.name in mapping.values()])
    else:
        new = ProductSchema(given) if isinstance(given, list) else given
    fields = {field.name: field for field in [*old.fields, *new.fields] if field.name not in {"sku", "name"}}
    sent = read_object(request).get("schema")
    changes = {name: getattr(new, name) for name in sent if name in _DEFAULTS} if isinstance(sent, dict) else {}
    return msgspec.structs.replace(old, fields=list(fields.values()), **changes)


def _import(request: RequestContext, job: Row, mapping: dict[str, str], schema: ProductSchema) -> Row:
    now = times.from_unix(request.now)
    products, errors = _products(job, mapping, schema)
    done = upsert(request.database, [product for _, product in products], "csv", now)
    errors += [{"row": products[each["index"]][0], "errors": each["errors"]} for each in done.errors]
    stored = done.created + done.updated
    if stored:
        store_schema(request.database, schema, now)
        _remember(request, mapping)
    result = {
        "status": "done" if stored or not errors else "failed",
        "created": done.created,
        "updated": done.updated,
        "failed": len(errors),
        "errors": sorted(errors, key=lambda error: error["row"])[:_REPORTED],
        "content": "",
    }
    return imports.write(request, job["id"], result)


def _products(
    job: Row, mapping: dict[str, str], schema: ProductSchema
) -> tuple[list[tuple[int, Row]], list[dict[str, Any]]]:
    """Return the products with their row numbers, starting at 1 below the header, and the errors of invalid rows."""
    table = csv_files.read_text(job["content"])
    reader = csv_files.Products(table, mapping, schema)
    products: list[tuple[int, Row]] = []
    errors: list[dict[str, Any]] = []
    for row, cells in enumerate(table.rows, 1):
        try:
            products.append((row, reader.read(cells)))
        except ValueError as error:
            errors.append({"row": row, "errors": {"non_field_errors": [str(error)]}})
    return products, errors


def _remember(request: RequestContext, mapping: dict[str, str]) -> None:
    with request.database.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO import_mappings VALUES (?, ?)", mapping.items())


def _shown(job: Row) -> Row:
    shown = {"job_id": job["id"], **{name: value for name, value in job.items() if name != "content"}}
    return {**shown, "error": _reason(job)} if job["status"] == "failed" else shown


def _reason(job: Row) -> str:
    """Return why no row was imported."""
    first = job["errors"][0]
    field, messages = next(iter(first["errors"].items()))
    if field == "sku":
        return f'No row has an SKU: the column mapped to "sku" is empty. {_how_to_map(job)}'
    return f"Row {first['row']}: {messages[0]}"


TABLES = (
    imports.schema,
    # What each CSV column was last confirmed to contain.
    "CREATE TABLE import_mappings (header TEXT PRIMARY KEY, target TEXT NOT NULL)",
)
ROUTES = (
    Route("POST", "/api/pim/import/csv/", SECRET, upload),
    Route("GET", "/api/pim/import/<int:id>/", SECRET, status),
    Route("POST", "/api/pim/import/<int:id>/confirm/", SECRET, confirm),
)
