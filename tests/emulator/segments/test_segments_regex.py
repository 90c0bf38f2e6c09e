"""The regular expressions of segments, compared with Python's own."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops.emulator.segments import regex
from segops.emulator.segments.regex import Search, compile_regex
from tests.emulator.segments.segment_desk import PREFIX, Desk, group
from tests.emulator.segments.segment_reference import Happening
from tests.rig.programs import importing

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


def found(pattern: str, text: object) -> bool:
    return Search(math.inf)(pattern, text)


def matches(pattern: str) -> dict[str, Any]:
    return group({"type": "user_property", "property": "p", "operator": "matches_regex", "value": pattern})


def rejection(pattern: str) -> str:
    """Return what the service says to a definition that it refuses."""
    status, errors = Desk().ask("POST", f"{PREFIX}preview/", {"definition": matches(pattern)})
    assert (status, list(errors)) == (400, ["definition"])
    (message,) = errors["definition"]
    assert message.endswith(" - at `$.conditions[0].value`")
    return str(message)


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
        ("a.b", "a\nb", False),
        (r"\B", "", True),
        ("É", "é", False),
        ("(?i)É", "é", True),
        (r"^\w$", "é", False),
        (r"^\pL$", "é", True),
        ("^.$", "😀", True),
        ("😀+$", "x😀😀", True),
        ("a\\0b", "a\0b", True),
        ("", "", True),
    ],
)
def test_what_the_dialect_decides(pattern: str, text: str, expected: object) -> None:
    assert found(pattern, text) == expected


def test_only_text_matches() -> None:
    desk = Desk()
    values = {
        "text": "a1",
        "null": None,
        "number": 1,
        "real": 1.5,
        "truth": True,
        "list": ["a1"],
        "object": {"a1": "a1"},
    }
    desk.track(*[Happening(user, "context_identified", desk.now, {"p": value}) for user, value in values.items()])
    desk.track(Happening("missing", "context_identified", desk.now, {}))
    assert desk.preview(matches("")) == ["text"]
    assert desk.preview(matches("1")) == ["text"]
    assert not any(found("", value) for value in (None, 1, 1.5, b"a"))


@pytest.mark.parametrize(
    "pattern",
    [
        *["(", ")", "a)", "(a", "[", "[a", "[^", "*", "+a", "a**", "a*{2}", "{2}", "a{3,2}", "a{1001}", "|*", "(*)"],
        *["\\", r"\q", r"\Z", "(?x)a", "(?i", "(?P<n", "(?", "[b-a]", r"[a-\d]", "[a-", "[[:no:]]", r"\p{Nope}"],
        *["a" * 1001, "(a{999}){999}"],
    ],
)
def test_what_cannot_be_read_is_rejected(pattern: str) -> None:
    assert "egular expression" in rejection(pattern)


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [
        ("(?=a)", "lookahead (`(?=`)"),
        ("a(?!b)", "lookahead (`(?!`)"),
        ("(?<=a)b", "lookbehind (`(?<=`)"),
        ("(?<!a)b", "lookbehind (`(?<!`)"),
        (r"(a)\1", r"backreferences (`\1`)"),
        ("(?P<n>a)(?P=n)", "backreferences (`(?P=`)"),
        (r"(?P<n>a)\k<n>", r"backreferences (`\k`)"),
        ("(?>a)b", "atomic groups (`(?>`)"),
        ("a++", "possessive quantifiers (`++`)"),
        ("a{2}+", "possessive quantifiers (`{2}+`)"),
        ("(a)(?(1)b|c)", "conditional groups (`(?(`)"),
        ("(?P<n>a)(?P>n)", "recursion (`(?P>`)"),
        ("(?R)", "recursion (`(?R`)"),
        ("(?#note)", "comments (`(?#`)"),
    ],
)
def test_a_construct_that_re2_does_not_support_is_named(pattern: str, construct: str) -> None:
    assert rejection(pattern).startswith(f"Regular expressions do not support {construct}: use RE2 syntax")


HOSTILE = [
    "((){9999}){9999}",
    "(((){999}){999}){999}",
    "(" * 160 + "a" + "){9}" * 160,
    "(" * 499 + ")*" * 250,
    "(?:" * 80 + "a?" + "){0,9}" * 80,
    "((((a{0,31}){0,31}){0,31}){0,31}){0,31}",
    r"(\pL{100}){10}",
    r"(?i)[\pL\pN\pP]{500}",
    r"\pL" * 333,
    "(?i)" + r"[^\pL]" * 166,
    "|".join(f"a.{{{count}}}c" for count in range(100, 200)),
    "(?i)" + "(k|s|é)*" * 120,
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_is_rejected_or_compiled_at_once(pattern: str) -> None:
    compile_regex(r"[^\pL]")
    started = time.thread_time()
    try:
        compile_regex(pattern)
    except ValueError as error:
        assert "egular expression" in str(error)  # noqa: PT017 - some are refused, others are not
    assert time.thread_time() - started < 10, "what spins takes minutes"


def test_a_hundred_hostile_patterns_do_not_stop_the_service() -> None:
    big = r"\pL" * 300
    conditions = [matches(f"{big}{number}")["conditions"][0] for number in range(100)]
    started = time.thread_time()
    status, _ = Desk().ask("POST", f"{PREFIX}preview/", {"definition": group(*conditions)})
    assert status == 400
    assert time.thread_time() - started < 60, "what spins takes hours"


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)x{50}y"])
def test_time_grows_with_the_text_only(pattern: str) -> None:
    def seconds(length: int) -> float:
        started = time.thread_time()  # of this thread's own work: others that are busy do not count
        assert not found(pattern, "a" * length + "!")
        return time.thread_time() - started

    seconds(1000)
    assert seconds(100_000) < 100 * max(seconds(10_000), 0.001)


def test_what_needs_many_states_is_found() -> None:
    text = "".join("ab"[int(digit)] for number in range(300) for digit in f"{number:09b}")
    assert found("(a|b)*a(a|b){60}c", text + "c") == (re.search("a[ab]{60}c", text + "c") is not None)


def test_a_search_is_given_up_after_the_deadline() -> None:
    late = Search(time.monotonic() - 1)
    assert late("a", 1.5) is False
    assert not late.timed_out
    with pytest.raises(TimeoutError):
        late("a", "b")
    assert late.timed_out


def test_a_search_that_nothing_could_interrupt_is_given_up_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex, "_MAX_STEPS", 1_000_000)
    desk = Desk()
    desk.track(Happening("u", "context_identified", desk.now, {"p": "a" * 100_000}))
    assert desk.preview(matches("^a")) == ["u"]
    status, response = desk.ask("POST", f"{PREFIX}preview/", {"definition": matches("a.{500}c")})
    assert status == 503
    assert "timed out" in response["detail"]


WITHOUT = """
from tests.emulator.segments.segment_desk import PREFIX, Desk, group

desk = Desk()
count = {"type": "event_count", "event_type": "e", "operator": "eq", "value": 0}
trait = {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "a"}
assert desk.preview(group(count)) == []
status, errors = desk.ask("POST", PREFIX, {"name": "S", "definition": group(trait)})
print(status, errors["definition"][0])
"""


@pytest.mark.parametrize("content", ["raise ModuleNotFoundError(\"No module named 're2'\")", "# another re2"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, content: str) -> None:
    tmp_path.joinpath("re2.py").write_text(content)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env={**os.environ, **importing(tmp_path)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("400 Regular expressions require google-re2")
    assert "pip install 'segops-sdk[dev]'" in done.stdout
