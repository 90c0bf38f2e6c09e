"""Import CSV files of spreadsheets and shops, or reject them with a message that says what to do."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsAdmin, SegOpsArgumentError
from tests.admin.admin_rig import scripted

TEXT = "sku;name;price\nA-1;Hüt, blau;9,90 €\nB-2;Käppi;1.234,56 €\n"
WANTED = [
    ("A-1", "Hüt, blau", {"amount": 9.9, "currency": "EUR"}),
    ("B-2", "Käppi", {"amount": 1234.56, "currency": "EUR"}),
]


def separated(sign: str) -> str:
    quoted = (
        TEXT.replace("Hüt, blau", '"Hüt, blau"').replace("9,90 €", '"9,90 €"').replace("1.234,56 €", '"1.234,56 €"')
    )
    return quoted.replace(";", sign)


FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "semicolons": (TEXT.encode(), {}),
    "tabs": (separated("\t").encode(), {}),
    "pipes": (separated("|").encode(), {}),
    "commas": (separated(",").encode(), {}),
    "declared": (b"sep=;\r\n" + TEXT.replace("\n", "\r\n").encode(), {}),
    "declared with a comma": (b'"sep=,"\n' + separated(",").encode(), {}),
    "byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), {}),
    "mark and declared": (b"\xef\xbb\xbfsep=;\n" + TEXT.encode(), {}),
    "UTF-16": (TEXT.encode("utf-16"), {}),
    "UTF-16, big end first": ("\ufeff".encode("utf-16-be") + separated("\t").encode("utf-16-be"), {}),
    "UTF-32": (TEXT.encode("utf-32"), {}),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "Windows": (TEXT.encode("cp1252"), {"encoding": "cp1252"}),
    "old Mac lines": (TEXT.replace("\n", "\r").encode(), {}),
    "gzip": (gzip.compress(TEXT.encode()), {}),
    "gzip of UTF-16": (gzip.compress(TEXT.encode("utf-16")), {}),
    "another sign": (TEXT.replace(";", "~").encode(), {"delimiter": "~"}),
    "a named sign": (separated("\t").encode(), {"delimiter": "tab"}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_imported_whatever_wrote_it(name: str, admin: SegOpsAdmin, tmp_path: Path) -> None:
    content, options = FILES[name]
    (tmp_path / "products.csv").write_bytes(content)
    job = admin.products.import_and_wait(tmp_path / "products.csv", **options)
    assert (job.status, job.created, job["errors"]) == ("done", 2, [])
    assert [(each.sku, each.name, each.data["price"]) for each in admin.products.iterate()] == WANTED


def test_step_by_step_and_from_a_stream(admin: SegOpsAdmin) -> None:
    job = admin.products.import_csv(io.BytesIO(TEXT.encode("cp1252")), "p.csv.gz", delimiter=";", encoding="cp1252")
    assert job.headers == ["sku", "name", "price"]


def test_a_cell_may_hold_every_sign(admin: SegOpsAdmin) -> None:
    admin.products.import_and_wait(b'sku;name;note\nA;"x, ""y"" | z\n2nd";a,b|c\nB;n;d,e\n')
    product = next(admin.products.iterate())
    assert (product.name, product.data) == ('x, "y" | z\n2nd', {"note": "a,b|c"})


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (TEXT.encode("cp1252"), {}, "--encoding cp1252"),
        (TEXT.encode("utf-16-le"), {}, "utf-16-le"),
        (b"sku;price,EUR\nA;9,90\n", {}, "--delimiter"),
        (b'[{"sku": "A"}]', {}, "contains JSON; pass its rows to products.bulk_upsert"),
        (b'\xef\xbb\xbf {"products": []}', {}, "contains JSON"),
        (b"PK\x03\x04" + b"\0" * 90, {}, "an Excel workbook: save it as CSV"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-9], {}, "damaged gzip"),
        (gzip.compress(b"", mtime=0), {}, "is empty"),
        (b'sku;name\nA;"x\n', {}, "line"),
        (TEXT.encode(), {"encoding": "klingon"}, "'klingon'"),
        (TEXT.encode(), {"encoding": "hex"}, "'hex'"),
        (TEXT.encode(), {"delimiter": "::"}, "'::'"),
        (TEXT.encode(), {"delimiter": ""}, "''"),
        (TEXT.encode(), {"delimiter": '"'}, "delimiter must be one character"),
    ],
)
def test_what_cannot_be_known_is_asked_for(content: bytes, options: Any, message: str) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError) as caught:
        admin.products.import_and_wait(content, **options)
    assert message in str(caught.value)
    assert transport.requests == []
