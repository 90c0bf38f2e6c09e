"""The table of docs/reliability.md and the tests agree."""

from __future__ import annotations

import ast

import pytest

from tests.matrix import PAGE, ROWS, TESTS, listed, rows_of, shown_by

LISTED = listed(PAGE.read_text())


def test_there_are_seventy_rows() -> None:
    assert len(ROWS) == 70
    assert list(LISTED) == list(range(1, 71))


@pytest.mark.parametrize("row", range(1, 71))
def test_a_row_has_tests_that_exist_and_name_it(row: int) -> None:
    assert LISTED[row], "nothing shows it"
    for name in LISTED[row]:
        file, _, test = name.partition("::")
        found = [
            node
            for node in ast.walk(ast.parse((TESTS / file).read_text()))
            if isinstance(node, ast.FunctionDef) and node.name == test
        ]
        assert len(found) == 1, f"{name} does not exist"
        assert row in rows_of(found[0]), f"{name} does not mention the row"


def test_whatever_test_names_a_row_is_listed() -> None:
    """If this fails: `python tests/matrix.py`."""
    assert shown_by() == LISTED


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        ("def test_row_7_x(): ...", {7}),
        ("def test_rows_3_4_6_and_8_x(): ...", {3, 4, 6, 8}),
        ("def test_rows_1_to_3_x(): ...", {1, 2, 3}),
        ("def test_rows_are_cut(): ...", set()),
        ("def test_x():\n    'Row 3, over a socket.'", {3}),
        ("def test_x():\n    'Rows 3, 5 to 7 and 9: x.'", {3, 5, 6, 7, 9}),
        ("def test_x():\n    'It is about row 3.'", set()),
    ],
)
def test_rows_are_read_from_names_and_docstrings(code: str, rows: set[int]) -> None:
    [test] = ast.parse(code).body
    assert isinstance(test, ast.FunctionDef)
    assert rows_of(test) == rows
