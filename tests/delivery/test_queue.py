"""Both kinds of queue write what the long way writes, and the compiled one takes nothing that the pure one refuses."""

from __future__ import annotations

import os
import string
from collections import OrderedDict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import segops.delivery
from segops.core.events import Event
from segops.delivery.coercion import encode_event
from segops.delivery.queue import IS_COMPILED
from tests.delivery.queues import FIELDS, KINDS, both_kinds, each_kind, offer, time_of

BOUND = 32
"""Dicts and lists within each other that the compiled one takes."""


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Liar:
    """Says that it is a dict, as a mock with a specification does."""

    __class__ = dict  # type: ignore[assignment]


class Secretive:
    """Does not say what it is."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise KeyError("secret")


ODD_TEXTS = ["", "\0", "\x1f", "\x7f", "\x80", '"', "\\", "\n\t\r\b\f", "</script>", "\u2028", "ÿ", "Ā", "😀", "\ud800"]
BORDERS = [sign * (2**bits + step) for bits in (31, 53, 63, 64, 70) for step in (-1, 0, 1) for sign in (1, -1)]
REALS = [0.0, -0.0, 5e-324, 2.2e-308, 1.7976931348623157e308, 1e16, 1e-7, float("nan"), float("inf"), float("-inf")]

simple = st.text(string.ascii_letters + string.digits + " _-.:/'<>&\x7f~", max_size=20)
texts = simple | st.sampled_from(ODD_TEXTS) | st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.integers(-(2**65), 2**65) | st.sampled_from(BORDERS) | st.floats() | st.sampled_from(REALS)
plain = st.none() | st.booleans() | texts | numbers
subclasses = st.builds(Text, texts) | st.builds(Whole, st.integers()) | st.builds(Real, st.floats())
others = st.sampled_from([b"x", (), (1,), set(), Decimal(1), OrderedDict(a=1), object(), Liar()])
keys = texts | st.integers() | st.none() | st.booleans() | st.builds(Text, texts)


def nested(leaves: st.SearchStrategy[Any], names: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[Any, Any]]:
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=8,
    )
    return st.dictionaries(names, values, max_size=5)


good = nested(plain, texts)
bad = nested(plain | subclasses | others, keys)
payloads = st.none() | good | bad | plain | subclasses | others | st.lists(plain, max_size=2)
ids = texts | st.none() | subclasses | others
events = st.tuples(simple, simple, good, st.none() | simple) | st.tuples(ids, ids, payloads, ids)


def is_simple(text: str) -> bool:
    """Tell whether JSON shows it as it is, in ASCII."""
    return text.isascii() and not any(char < " " or char in '"\\' for char in text)


def test_the_one_in_use_is_the_one_that_was_asked_for() -> None:
    if os.environ.get("SEGOPS_TEST_QUEUE") == "pure":
        assert not IS_COMPILED
    else:
        compiled = list(Path(segops.delivery.__file__).parent.glob("_speedups.*.so"))
        assert bool(compiled) == IS_COMPILED


@both_kinds
@settings(max_examples=1500)
@given(fields=events)
@example(fields=("u-1", "e", {"a": 2**64 - 1, "b": -(2**63), "c": [True, None, "\x7f"]}, ""))
@example(fields=("u-1", "e", {}, None))
@example(fields=("u-1", "e", None, "a-1"))
def test_whatever_is_offered_both_agree(fields: tuple[Any, ...]) -> None:
    pure, compiled = (offer(KINDS[name], fields) for name in ("pure", "compiled"))
    assert compiled.error is None
    if compiled.event is not None:
        assert compiled.timeless == pure.timeless
    elif pure.event is not None:
        assert not all(map(is_simple, (fields[0], fields[1], fields[3] or "")))


@each_kind
@settings(max_examples=800)
@given(fields=events)
def test_what_is_taken_is_what_the_long_way_writes(kind: Any, fields: tuple[Any, ...]) -> None:
    event = offer(kind, fields).event
    if event is not None:
        user_id, event_type, payload, anonymous_id = fields
        long_way = encode_event(Event(user_id, event_type, time_of(event), payload or {}, anonymous_id))
        assert (event, 0) == long_way


@each_kind
@settings(max_examples=300)
@given(fields=st.tuples(simple.filter(bool), simple.filter(bool), st.none() | nested(simple, simple), simple))
def test_the_usual_event_is_taken(kind: Any, fields: tuple[Any, ...]) -> None:
    assert offer(kind, fields).event is not None


def chain(length: int, pattern: str) -> Any:
    """Return so many dicts ("d") and lists ("l") within each other; the outermost is a dict."""
    value: Any = 1
    for place in range(length - 1, 0, -1):
        value = {"a": value} if pattern[place % len(pattern)] == "d" else [value]
    return {"a": value}


@pytest.mark.parametrize("pattern", ["d", "l", "dl"])
@pytest.mark.parametrize("length", [1, BOUND - 1, BOUND, BOUND + 1, BOUND + 20])
def test_depth(length: int, pattern: str) -> None:
    fields = ("u", "e", chain(length, pattern), None)
    taken = {name: offer(kind, fields).timeless for name, kind in KINDS.items()}
    assert taken["pure"] is not None
    if "compiled" in taken:
        assert taken["compiled"] == (taken["pure"] if length <= BOUND else None)


@each_kind
@pytest.mark.parametrize("pattern", ["d", "l"])
def test_endless_depth_is_refused(kind: Any, pattern: str) -> None:
    assert offer(kind, ("u", "e", chain(100_000, pattern), None)) == (None, None)
    endless: dict[str, Any] = {}
    endless["a"] = endless
    assert offer(kind, ("u", "e", endless, None)) == (None, None)


@each_kind
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(
    "value", [Text("u"), 1, b"u", object(), [], True, "\ud800"], ids=lambda value: type(value).__name__
)
def test_each_field_has_its_type(kind: Any, place: int, value: object) -> None:
    fields: list[object] = [*FIELDS]
    fields[place] = value
    assert offer(kind, tuple(fields)).event is None


@each_kind
@pytest.mark.parametrize(
    "value",
    [2**64, -(2**63) - 1, *REALS[-3:], Text("x"), Whole(1), Real(1), (), b"", Decimal(1), Liar(), [[2**64]]],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_is_refused(kind: Any, value: object) -> None:
    assert offer(kind, ("u", "e", {"a": 1, "b": value}, None)).event is None
    assert offer(kind, ("u", "e", {"a": [1, {"b": value}]}, None)).event is None


@each_kind
@pytest.mark.parametrize("place", range(4))
def test_an_object_that_does_not_say_what_it_is(kind: Any, place: int) -> None:
    fields: list[object] = [*FIELDS]
    fields[place] = Secretive() if place != 2 else {"a": Secretive()}
    assert offer(kind, tuple(fields)).event is None


@both_kinds
@pytest.mark.parametrize("text", [*ODD_TEXTS[1:], "u-1"])
def test_the_compiled_one_leaves_text_that_json_escapes_to_python(text: str) -> None:
    for place in (0, 1, 3):
        fields: list[object] = [*FIELDS]
        fields[place] = text
        assert (offer(KINDS["compiled"], tuple(fields)).event is not None) == is_simple(text)
