"""Encoding: one documented JSON form for each type, and an exact count of the values that lost something."""

import datetime as dt
import enum
import json
import math
import uuid
from collections import ChainMap, OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from segops import SegOpsClient, SegOpsEncodingError
from tests.rig.tracking import Outcome, sent

UTC = dt.timezone.utc
PLUS_TWO = dt.timezone(dt.timedelta(hours=2))


class SafeString(str):
    """As Django has it."""

    __slots__ = ()

    def __html__(self) -> str:
        return self

    def __str__(self) -> str:
        return self


class Status(enum.Enum):
    PAID = "paid"


class Level(enum.IntEnum):
    HIGH = 3


class Flags(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", ["a", "b"])  # noqa: PYI024 - the old kind is what is tested


class Number(int):
    pass


class Ratio(float):
    pass


class Money(Decimal):
    pass


class Timestamp(dt.datetime):
    """As pandas' Timestamp and freezegun's FakeDatetime: a datetime with its own text."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        raise AssertionError(sep + timespec)

    __str__ = isoformat


class FakeDate(dt.date):
    def isoformat(self) -> str:
        raise AssertionError


class FakeTime(dt.time):
    pass


class Timedelta(dt.timedelta):
    pass


class PgUuid(uuid.UUID):
    """As asyncpg has it."""


class NaT(dt.datetime):
    """As pandas has it: a datetime that equals nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = dt.datetime.__hash__


NA = type("NAType", (), {"__module__": "pandas._libs.missing", "__ne__": lambda self, _: self})()
"""As pandas has it: a comparison with it is itself, and so is neither true nor false."""

PLAIN: list[tuple[Any, Any]] = [
    ("zoë 🛒 \u0000 \u2028", "zoë 🛒 \u0000 \u2028"),
    (True, True),
    (None, None),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
    (1.7976931348623157e308, 1.7976931348623157e308),
    (5e-324, 5e-324),
    (0.1 + 0.2, 0.30000000000000004),
    ({"a": [1, {"b": []}]}, {"a": [1, {"b": []}]}),
]

FORMS: list[tuple[Any, Any]] = [
    (SafeString("x"), "x"),
    (np.str_("x"), "x"),
    (Number(7), 7),
    (Ratio(0.25), 0.25),
    (Decimal("89.95"), 89.95),
    (Decimal(-5), -5),
    (Money("1.5"), 1.5),
    (Status.PAID, "paid"),
    (Level.HIGH, 3),
    (Flags.A | Flags.B, 3),
    (dt.datetime(2027, 1, 5, 9, 30, tzinfo=UTC), "2027-01-05T09:30:00Z"),
    (dt.datetime(2027, 1, 5, 9, 30, 0, 250, tzinfo=PLUS_TWO), "2027-01-05T09:30:00.000250+02:00"),
    (dt.datetime(2027, 7, 5, 9, 30, tzinfo=ZoneInfo("Europe/Paris")), "2027-07-05T09:30:00+02:00"),
    (dt.datetime(2027, 1, 5, 9, 30), "2027-01-05T09:30:00"),  # noqa: DTZ001 - a naive one is what is tested
    (Timestamp(2027, 1, 5, 9, 30, tzinfo=UTC), "2027-01-05T09:30:00Z"),
    (Timestamp(2027, 1, 5, 9, 30), "2027-01-05T09:30:00"),
    (dt.date(2027, 1, 5), "2027-01-05"),
    (FakeDate(2027, 1, 5), "2027-01-05"),
    (dt.time(9, 30), "09:30:00"),
    (dt.time(9, 30, tzinfo=UTC), "09:30:00Z"),
    (FakeTime(9, 30, tzinfo=UTC), "09:30:00Z"),
    (dt.timedelta(days=1, hours=2), "P1DT7200S"),
    (Timedelta(days=1, hours=2), "P1DT7200S"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (PgUuid(int=5), "00000000-0000-0000-0000-000000000005"),
    (b"\x00\xff", "AP8="),
    (bytearray(b"\x00\xff"), "AP8="),
    (memoryview(b"a-b-c-")[::2], "YWJj"),
    ((1, "a"), [1, "a"]),
    (Point(1, 2), [1, 2]),
    (Pair(1, 2), [1, 2]),
    ({5}, [5]),
    (frozenset({5}), [5]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (OrderedDict(a=1), {"a": 1}),
    (defaultdict(list, a=[1]), {"a": [1]}),
    (UserDict(a=1), {"a": 1}),
    (ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
    (np.int64(7), 7),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.float64(0.25), 0.25),
    (np.float32(0.25), 0.25),
    (type("int64", (), {"__module__": "numpy", "tolist": lambda _: 3})(), 3),
    (np.bool_(True), True),  # noqa: FBT003 - numpy's constructor
    (np.bytes_(b"abc"), "YWJj"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array("2027-01-05T09:30", "datetime64[m]"), "2027-01-05T09:30:00"),
    (np.datetime64("2027-01-05T09:30:00.000000001", "ns"), "2027-01-05T09:30:00"),
    (np.datetime64("2027-01-05"), "2027-01-05T00:00:00"),
    (np.timedelta64(90_000_000_000, "ns"), "PT90S"),
    (np.array([1.5, None, "a"], dtype=object), [1.5, None, "a"]),
]


def _named(case: object) -> str:
    return f"{type(case).__module__}.{type(case).__name__}"


@pytest.mark.parametrize(("value", "form"), PLAIN, ids=_named)
def test_what_json_has_arrives_as_it_is(value: Any, form: Any) -> None:
    arrived = sent(value)
    assert arrived == form
    assert type(arrived) is type(form)


@pytest.mark.parametrize(("value", "form"), FORMS, ids=_named)
def test_each_type_has_one_form_and_nothing_is_coerced(value: Any, form: Any) -> None:
    """Rows 57 and 58."""
    arrived = sent(value)
    assert arrived == form
    assert type(arrived) is type(form)


@pytest.mark.parametrize(("value", "form"), [*PLAIN, *FORMS], ids=_named)
def test_a_value_has_the_same_form_beside_one_that_is_coerced(value: Any, form: Any) -> None:
    assert sent([value, math.nan], coerced=1) == [form, None]


@pytest.mark.parametrize(
    ("value", "form", "coerced"),
    [
        (math.nan, None, 1),
        ([math.inf, -math.inf, 1e400, 1.0], [None, None, None, 1.0], 3),
        (Ratio("nan"), None, 1),
        (np.float32("inf"), None, 1),
        (np.array([math.nan, 1.0, math.nan]), [None, 1.0, None], 2),
        (Decimal("NaN"), None, 1),
        (Decimal("sNaN"), None, 1),
        (Decimal("-Infinity"), None, 1),
        (Decimal("1E+400"), "1E+400", 1),
        (Decimal("-9E+999999"), "-9E+999999", 1),
        (2**64, "18446744073709551616", 1),
        (-(2**63) - 1, "-9223372036854775809", 1),
        ([10**4000], ["1" + "0" * 4000], 1),
        (Number(2**64), "18446744073709551616", 1),
        ("a\ud800b", "a\ufffdb", 1),
        ("\udcff", "\ufffd", 1),
        ({"\ud800": "\ud800"}, {"\ufffd": "\ufffd"}, 2),
        (dict.fromkeys(["\ud800", "\udfff"], 2), {"\ufffd": 2}, 3),
        (NaT(1, 1, 1), None, 1),
        ([NA, 1, NA], [None, 1, None], 2),
        (np.datetime64("NaT", "us"), None, 1),
        (np.array(["2027-01-05", "NaT", "NaT"], "datetime64[ns]"), ["2027-01-05T00:00:00", None, None], 2),
        ({1: "int", "1": "text"}, {"1": "text"}, 1),
        ({"1": "text", 1: "int"}, {"1": "int"}, 1),
        ({None: 1, "null": 2, True: 3, "true": 4}, {"null": 2, "true": 4}, 2),
    ],
    ids=lambda case: str(case)[:30].encode("ascii", "replace").decode(),
)
def test_values_that_lose_something_are_counted_one_by_one(value: Any, form: Any, coerced: int) -> None:
    """Rows 53, 54, 55 and 60."""
    assert sent(value, coerced) == form


@pytest.mark.parametrize("value", [-0.0, Ratio(-0.0), np.float64(-0.0), np.float32(-0.0)], ids=_named)
def test_negative_zero_keeps_its_sign(value: float) -> None:
    assert math.copysign(1.0, sent([value])[0]) == -1.0
    assert math.copysign(1.0, sent([value, math.nan], coerced=1)[0]) == -1.0


@pytest.mark.parametrize("text", ["89.950", "1E-400", "0.1234567890123456789012345", "1E+300", "-0"])
def test_a_decimal_is_sent_with_all_its_digits(text: str) -> None:
    outcome = Outcome(payload={"total": Decimal(text)})
    assert f'"total":{text}}}'.encode() in outcome.bodies[0]
    assert json.loads(outcome.bodies[0], parse_float=Decimal, parse_int=Decimal)["events"][0]["payload"][
        "total"
    ] == Decimal(text)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (SafeString("a"), "a"),
        (1, "1"),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        (2**64, "18446744073709551616"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (dt.date(2027, 1, 5), "2027-01-05"),
        (Timestamp(2027, 1, 5, tzinfo=UTC), "2027-01-05T00:00:00Z"),
        (dt.timedelta(days=1), "P1D"),
        (Status.PAID, "paid"),
        (Level.HIGH, "3"),
        (np.int64(7), "7"),
        (b"a", "YQ=="),
        ("", ""),
        ('"quoted"', '"quoted"'),
    ],
    ids=_named,
)
def test_a_key_is_the_text_of_the_form_of_its_value(key: Any, name: str) -> None:
    """Row 58."""
    outcome = Outcome(payload={key: 1})
    assert outcome.payload == {name: 1}
    assert outcome.stats.coerced == (1 if key == 2**64 else 0)


@pytest.mark.parametrize("key", [(1, 2), frozenset(), Point(1, 2), object(), 1j, MappingProxyType], ids=_named)
def test_a_key_that_is_no_text_drops_the_event(key: Any) -> None:
    assert "payload.map" in str(Outcome(payload={"map": {key: 1}}).dropped("invalid"))


def _list_in_itself() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def _dict_in_itself() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["again"] = cycle
    return cycle


def _set_beside_a_cycle() -> list[Any]:
    return [{1}, _list_in_itself()]


def _deep(levels: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


def _deep_list() -> Any:
    return _deep(100_000, lambda inner: [inner])


def _deep_dict() -> Any:
    return _deep(100_000, lambda inner: {"a": inner})


def _deep_tuple() -> Any:
    return _deep(100_000, lambda inner: (inner,))


@pytest.mark.parametrize(
    "make",
    [_list_in_itself, _dict_in_itself, _set_beside_a_cycle, _deep_list, _deep_dict, _deep_tuple],
)
def test_cycles_and_endless_depth_drop_the_event(make: Callable[[], Any]) -> None:
    """Row 56."""
    error = Outcome(payload={"value": make()}).dropped("invalid")
    assert isinstance(error, SegOpsEncodingError)
    assert "nested too deeply" in str(error)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_what_is_nested_like_real_data_is_sent(wrap: Callable[[Any], Any]) -> None:
    value = _deep(50, wrap)
    assert sent(value) == json.loads(json.dumps(value))


class Hostile:
    """Has a text that must neither be made nor sent."""

    calls: ClassVar[list[str]] = []

    def __str__(self) -> str:
        self.calls.append("str")
        raise RuntimeError("secret")

    __repr__ = __str__

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        raise RuntimeError("secret")


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("secret")

    __repr__ = encode = __hash__ = __str__  # type: ignore[assignment]


class HostileInt(int):
    def __str__(self) -> str:
        raise RuntimeError("secret")

    __repr__ = __int__ = __index__ = __add__ = __le__ = __str__  # type: ignore[assignment]


class HostileFloat(float):
    def __str__(self) -> str:
        raise RuntimeError("secret")

    __repr__ = __float__ = __add__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "form"),
    [(HostileText("x"), "x"), (HostileInt(7), 7), (HostileFloat(0.5), 0.5)],
    ids=["text", "int", "float"],
)
def test_hostile_subclasses_are_read_past_their_own_methods(value: Any, form: Any) -> None:
    """Rows 57 and 59."""
    assert sent(value) == form


class Liar:
    """Says that it is text, as `Mock(spec=str)` does."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


class Raises:
    """A model whose reading fails."""

    def model_dump(self) -> dict[str, Any]:
        raise RuntimeError("secret")


class Endless:
    """A model that is made of itself."""

    def model_dump(self) -> dict[str, Any]:
        return {"again": self}


@pytest.mark.parametrize(
    "value",
    [
        Hostile(),
        object(),
        Liar(),
        Raises(),
        Endless(),
        int,
        print,
        iter(()),
        range(3),
        1j,
        np.complex128(1),
        np.longdouble(1.5),
        10**5000,
        ValueError("secret"),
        math,
    ],
    ids=_named,
)
def test_what_has_no_json_form_drops_the_event_and_is_never_shown(value: Any) -> None:
    """Row 59."""
    error = Outcome(payload={"value": value}).dropped("invalid")
    assert "secret" not in str(error)
    assert Hostile.calls == []


def test_an_error_names_the_place_but_no_key_that_may_be_personal_data() -> None:
    error = Outcome(payload={"order": {"lines": [1, {"sku": object()}]}}).dropped("invalid")
    assert str(error).startswith("payload.order.lines[1].sku is of type object")
    error = Outcome(payload={"alice@example.com": {"a" * 100: object()}}).dropped("invalid")
    assert str(error).startswith("payload[…][…] is of type object")


def test_a_number_of_a_million_digits_is_refused_at_once() -> None:
    error = Outcome(payload={"value": 10**1_000_000}).dropped("invalid")
    assert "send it as text" in str(error)


def test_strict_raises_the_encoding_error() -> None:
    with SegOpsClient("memory:", worker="inline", strict=True) as client:
        with pytest.raises(SegOpsEncodingError, match=r"payload\.value is of type object"):
            client.track(user_id="u-1", event_type="order_placed", payload={"value": object()})
        with pytest.raises(SegOpsEncodingError, match="nested too deeply"):
            client.track(user_id="u-1", event_type="order_placed", payload={"value": _list_in_itself()})
    assert client.stats().dropped == {"invalid": 2}
