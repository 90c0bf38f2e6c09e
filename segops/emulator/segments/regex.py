r"""Search with RE2 regular expressions, whose time is linear in the length of the text.

A pattern matches anywhere in a text. It is case-sensitive unless it starts with `(?i)`. `\d \w \s \b` are ASCII, and
`^ $` match the ends of the text. RE2 comes with the extra `dev`, and is imported with the first pattern.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re2

MAX_PATTERN = 1000
"""Maximum length of a pattern, in characters."""

_MAX_MEMORY = 1024 * 1024
"""Maximum memory of a pattern, in bytes. Larger patterns are rejected in less than 0.1 s."""

_MAX_STEPS = 4_000_000_000
"""Maximum product of instructions and bytes of text. At worst about 20 s, which nothing can interrupt."""

_UNSUPPORTED = (
    (r"\(\?[=!]", "lookahead"),
    (r"\(\?<[=!]", "lookbehind"),
    (r"\(\?P=|\\[1-9gk]", "backreferences"),
    (r"\(\?>", "atomic groups"),
    (r"\(\?\(", "conditional groups"),
    (r"\(\?\|", "branch reset groups"),
    (r"\(\?(P>|[R&+\d])", "recursion"),
    (r"\(\?#", "comments"),
    (r"[*+?}]\+|\{.*\}\+", "possessive quantifiers"),
    (r"\(\?[imsU-]*[^imsU:)-]", "this group or flag"),
    (r"\\.", "this escape sequence here"),
)
"""Syntax that RE2 does not support, by how it starts. The first match counts."""


@lru_cache(maxsize=128)
def compile_regex(pattern: str) -> re2._Regexp[bytes]:
    """Compile a pattern for searching UTF-8.

    Raises:
        ValueError: RE2 is not installed, or the pattern is invalid or too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"Expected a regular expression of at most {MAX_PATTERN} characters, got {len(pattern)}")
    try:
        from re2 import Options, compile, error  # noqa: A004, PLC0415 - an extra
    except ImportError as missing:
        raise ValueError(
            f"Regular expressions require google-re2 ({missing}): pip install 'segops-sdk[dev]'"
        ) from missing
    options = Options()
    options.max_mem = _MAX_MEMORY
    options.never_capture = True
    options.log_errors = False
    try:
        return compile(pattern.encode(), options)
    except error as invalid:
        raise ValueError(_message(pattern, invalid.args[0].decode(errors="replace"))) from None


class Search:
    """The function behind the SQL operator REGEXP.

    Args:
        deadline: The `time.monotonic()` at which searches time out.

    Attributes:
        timed_out: Whether a search timed out.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.timed_out = False

    def __call__(self, pattern: str, value: object) -> bool:
        """Return whether a value is text that contains a match.

        Raises:
            TimeoutError: The deadline has passed, or the search could take too long.
        """
        if not isinstance(value, str):
            return False
        compiled, text = compile_regex(pattern), value.encode()
        if time.monotonic() > self._deadline or compiled.programsize * len(text) > _MAX_STEPS:
            self.timed_out = True
            raise TimeoutError("a regular expression takes too long")
        return compiled.search(text) is not None


def _message(pattern: str, reason: str) -> str:
    """Return an error message for a pattern, based on RE2's reason such as "invalid perl operator: (?="."""
    error, _, part = reason.partition(": ")
    if error == "pattern too large - compile failed":
        return "The regular expression is too large: shorten it, or lower its repetition counts"
    if error == "invalid repetition size":
        return f"Invalid regular expression: repetition counts must ascend and multiply to at most 1000, got {part}"
    if error in ("invalid perl operator", "invalid escape sequence", "bad repetition operator"):
        named = re.search(r"\(\?P[=>]", pattern) if part == "(?P" else None  # RE2 omits the last character
        part = named[0] if named else part
        for begin, name in _UNSUPPORTED:
            if re.match(begin, part):
                return f"Regular expressions do not support {name} (`{part}`): use RE2 syntax"
    return f"Invalid regular expression: {reason}"
