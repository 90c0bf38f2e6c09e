"""The regular expressions of segments, compared with Python's own."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops.local.segments.regex import Matcher, compile_regex, regexp

atoms = st.sampled_from(
    [
        "a",
        "b",
        "_",
        ".",
        "[ab]",
        "[^a]",
        "[a-c1]",
        "[]x]",
        r"[\d-]",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\.",
        r"\n",
    ]
)
patterns = st.recursive(
    st.one_of(atoms, st.sampled_from(["", "^a", r"b$", r"\ba", r"a\B"])),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}", "*?", "{1,2}?"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)
texts = st.text(alphabet="ab1_ .\n-é]x", min_size=1, max_size=8)


def found(pattern: str, text: str) -> bool:
    return Matcher(pattern, time.monotonic() + 10).search(text)


@settings(max_examples=1500)
@given(pattern=patterns, text=texts)
def test_it_finds_what_python_finds(pattern: str, text: str) -> None:
    python = pattern.replace("$", r"\Z")
    assert found(pattern, text) == (re.search(python, text, re.ASCII) is not None)
    upper = text.upper()
    assert found(f"(?i){pattern}", upper) == (re.search(python, upper, re.ASCII | re.IGNORECASE) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(?P<name>a)b", "ab", True),
        ("a{,2}", "a{,2}", True),
        ("a{x", "a{x", True),
        ("[-a]", "-", True),
        ("[a-]", "-", True),
        (r"[\t-\r]", "\n", True),
        (r"[\]]", "]", True),
        ("a$", "a\n", False),
        (r"\B", "", True),
        ("(?i)É", "é", True),
        ("😀+$", "x😀😀", True),
        ("", "", True),
    ],
)
def test_what_the_dialect_decides(pattern: str, text: str, expected: object) -> None:
    assert found(pattern, text) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        *["(", ")", "a)", "(a", "[", "[a", "[^", "*", "+a", "a**", "a*{2}", "{2}", "a{3,2}", "^*", r"\b+", "|*", "(*)"],
        *["\\", r"\q", r"\1", r"\A", "(?=a)", "(?<=a)", "(?!a)", "(?P=n)", "(?#c)", "(?s).", "a*+", "[[:alpha:]]"],
        *["[b-a]", r"[\d-z]", r"[a-\d]", "a" * 1001, "(a{999}){999}", "(" * 60 + ")" * 60, "[a-"],
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        compile_regex(pattern)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)x{50}y"])
def test_time_grows_with_the_text_only(pattern: str) -> None:
    def seconds(length: int) -> float:
        started = time.thread_time()  # of this thread's own work: others that are busy do not count
        assert not found(pattern, "a" * length + "!")
        return time.thread_time() - started

    seconds(1000)
    assert seconds(100_000) < 100 * max(seconds(10_000), 0.001)


def test_many_different_states_are_forgotten_again() -> None:
    text = "".join("ab"[int(digit)] for number in range(300) for digit in f"{number:09b}")
    assert found("(a|b)*a(a|b){60}c", text + "c") == (re.search("a[ab]{60}c", text + "c") is not None)


def test_a_search_ends_at_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        Matcher("a", time.monotonic() - 1).search("b")
    assert regexp(time.monotonic() - 1)("a", 1.5) is False
