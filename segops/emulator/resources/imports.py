"""Products come from a CSV file: uploaded, looked at, confirmed.

The states of an import are `mapping` after the upload, then `done` or `failed`. The documented `pending` and
`importing` are never seen here: both steps are over before they are answered.
Source: wire-protocol.md, section 6.3.
"""

from __future__ import annotations

from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.resources import csv_files
from segops.emulator.resources.bodies import Field, read_fields, read_object
from segops.emulator.resources.catalogue import SHOWN_ONLY, ProductSchema, SchemaField, product_schema, store_schema
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.resources.multipart import read_upload
from segops.emulator.resources.products import upsert
from segops.emulator.strictness import unknown_errors

_SAMPLE_ROWS = 5
_REPORTED = 100

imports = Resource(
    "imports",
    {
        "filename": Field(str),
        "status": Field(str),
        "headers": Field(list[str], json=True),
        "total_rows": Field(int),
        "suggested_mapping": Field(dict[str, str], json=True),
        "suggested_schema": Field(ProductSchema, json=True),
        "created": Field(int),
        "updated": Field(int),
        "failed": Field(int),
        "errors": Field(list[Any], json=True),
        "content": Field(str),
    },
)

_CONFIRMATION = {
    "confirmed": Field(bool, default=False),
    "mapping": Field(dict[str, str | None] | None, None),
    "schema": Field(list[SchemaField] | ProductSchema | None, None),
}


def upload(call: Call) -> Answer:
    """Upload a CSV file; the answer tells what its columns seem to be."""
    file = read_upload(call, "file")
    try:
        table = csv_files.read_csv(file.content)
    except ValueError as error:
        raise invalid({"file": [str(error)]}) from None
    confirmed = dict(call.database.query("SELECT header, target FROM import_mappings"))
    mapping = csv_files.suggest_mapping(table, confirmed)
    currency = product_schema(call.database).default_currency
    values = {
        "filename": file.filename,
        "status": "mapping",
        "content": file.content.decode("utf-8-sig"),
        "headers": table.headers,
        "total_rows": len(table.rows),
        "suggested_mapping": mapping,
        "suggested_schema": csv_files.suggest_schema(table, mapping, currency),
    }
    return Answer(201, {**_shown(imports.insert(call, values)), "sample_rows": table.rows[:_SAMPLE_ROWS]})


def status(call: Call) -> Answer:
    """Tell how far an import is."""
    return Answer(200, _shown(imports.find(call, number(call))))


def confirm(call: Call) -> Answer:
    """Import an uploaded file, with a mapping and a schema, or with the suggested ones if they are left out."""
    job = imports.find(call, number(call))
    given = read_fields(call, _CONFIRMATION)
    _check_schema(read_object(call).get("schema"))
    if job["status"] != "mapping":
        raise refuse(400, f"This import is {job['status']} already: upload the file again.")
    if not given["confirmed"] and given["mapping"] is None:
        raise invalid({"mapping": ['Give the mapping, or "confirmed": true for the suggested one.']})
    mapping = _mapping(job, given["mapping"])
    schema = _schema(call, job, given["schema"], mapping)
    return Answer(202, _shown(_import(call, job, mapping, schema)))


def _check_schema(given: Any) -> None:
    """Refuse what a schema does not have; read_fields has checked the types."""
    errors = unknown_errors(given, SHOWN_ONLY | set(ProductSchema.__struct_fields__)) if isinstance(given, dict) else {}
    if errors:
        raise invalid({"schema": [f"{name}: {complaint}" for name, (complaint,) in errors.items()]})


def _mapping(job: Row, given: dict[str, str | None] | None) -> dict[str, str]:
    chosen = job["suggested_mapping"] if given is None else given
    if unknown := chosen.keys() - set(job["headers"]):
        raise invalid({"mapping": [f"The file has no column {min(unknown)!r}."]})
    mapping = {header: target or csv_files.SKIP for header, target in chosen.items()}
    targets = [target for target in mapping.values() if target != csv_files.SKIP]
    if targets.count("sku") != 1:
        raise invalid({"mapping": [f'Map exactly one column to "sku". {_how_to_map(job)}']})
    if twice := {target for target in targets if targets.count(target) > 1}:
        raise invalid({"mapping": [f"More than one column is mapped to {min(twice)!r}."]})
    return mapping


def _how_to_map(job: Row) -> str:
    columns = ", ".join(map(repr, job["headers"]))
    example = msgspec.json.encode({job["headers"][0]: "sku"}).decode()
    return (
        f"Pass a mapping such as mapping={example}, or --mapping '{example}' on the command line; columns that it "
        f"leaves out are not imported. The columns are {columns}."
    )


def _schema(
    call: Call, job: Row, given: list[SchemaField] | ProductSchema | None, mapping: dict[str, str]
) -> ProductSchema:
    """Return the schema of all products, with the fields of this import in it."""
    old = product_schema(call.database)
    if given is None:
        suggested = msgspec.convert(job["suggested_schema"], ProductSchema).fields
        new = ProductSchema([field for field in suggested if field.name in mapping.values()])
    else:
        new = ProductSchema(given) if isinstance(given, list) else given
    if not isinstance(given, ProductSchema):
        new = msgspec.structs.replace(new, default_currency=old.default_currency, default_locale=old.default_locale)
    fields = {field.name: field for field in [*old.fields, *new.fields] if field.name not in {"sku", "name"}}
    return msgspec.structs.replace(new, fields=list(fields.values()))


def _import(call: Call, job: Row, mapping: dict[str, str], schema: ProductSchema) -> Row:
    now = times.from_unix(call.now)
    products, errors = _products(job, mapping, schema)
    done = upsert(call.database, [product for _, product in products], "csv", now)
    errors += [{"row": products[each["index"]][0], "errors": each["errors"]} for each in done.errors]
    stored = done.created + done.updated
    if stored:
        store_schema(call.database, schema, now)
        _remember(call, mapping)
    result = {
        "status": "done" if stored or not errors else "failed",
        "created": done.created,
        "updated": done.updated,
        "failed": len(errors),
        "errors": sorted(errors, key=lambda error: error["row"])[:_REPORTED],
        "content": "",
    }
    return imports.write(call, job["id"], result)


def _products(
    job: Row, mapping: dict[str, str], schema: ProductSchema
) -> tuple[list[tuple[int, Row]], list[dict[str, Any]]]:
    """Return the products with the numbers of their rows (the first below the header is 1), and the bad rows."""
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


def _remember(call: Call, mapping: dict[str, str]) -> None:
    with call.database.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO import_mappings VALUES (?, ?)", mapping.items())


def _shown(job: Row) -> Row:
    shown = {"job_id": job["id"], **{name: value for name, value in job.items() if name != "content"}}
    return {**shown, "error": _reason(job)} if job["status"] == "failed" else shown


def _reason(job: Row) -> str:
    """Return why no row could be imported."""
    first = job["errors"][0]
    field, messages = next(iter(first["errors"].items()))
    if field == "sku":
        return f'No row has an SKU: the column that is mapped to "sku" is empty. {_how_to_map(job)}'
    return f"Row {first['row']}: {messages[0]}"
