r"""Regular expressions of definitions: RE2's dialect, whose time grows with the text only and never explodes.

A pattern matches if it is found anywhere in a text. Case matters unless the pattern starts with `(?i)`; `\d \w \s \b`
are ASCII, and `^ $` are the ends of the text. RE2 comes with the extra `dev` and is loaded by the first pattern.

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
"""The longest pattern, in characters."""

_MAX_MEMORY = 1024 * 1024
"""The most memory of one pattern, in bytes: what needs more is refused, in less than 0.1 s."""

_MAX_STEPS = 4_000_000_000
"""The most instructions of a pattern times bytes of a text: some 20 s at worst, which nothing can interrupt."""

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
"""What RE2 does not support, by how it begins; the first that fits is the one."""


@lru_cache(maxsize=128)
def compile_regex(pattern: str) -> re2._Regexp[bytes]:
    """Return a pattern ready to search in UTF-8.

    Raises:
        ValueError: RE2 is not installed, does not know the pattern, or finds it too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"Expected a regular expression of at most {MAX_PATTERN} characters, got {len(pattern)}")
    try:
        from re2 import Options, compile, error  # noqa: A004, PLC0415 - an extra
    except ImportError as missing:
        raise ValueError(
            f"A regular expression needs google-re2 ({missing}): pip install 'segops-sdk[dev]'"
        ) from missing
    options = Options()
    options.max_mem = _MAX_MEMORY
    options.never_capture = True
    options.log_errors = False
    try:
        return compile(pattern.encode(), options)
    except error as refused:
        raise ValueError(_complaint(pattern, refused.args[0].decode(errors="replace"))) from None


class Search:
    """The function behind the SQL operator REGEXP: pattern and value in, whether it is found out.

    Args:
        deadline: The `time.monotonic()` after which it gives up.

    Attributes:
        gave_up: Whether it did.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.gave_up = False

    def __call__(self, pattern: str, value: object) -> bool:
        """Tell whether a value is text in which the pattern is found.

        Raises:
            TimeoutError: The deadline has passed, or this search alone could take too long.
        """
        if not isinstance(value, str):
            return False
        compiled, text = compile_regex(pattern), value.encode()
        if time.monotonic() > self._deadline or compiled.programsize * len(text) > _MAX_STEPS:
            self.gave_up = True
            raise TimeoutError("a regular expression takes too long")
        return compiled.search(text) is not None


def _complaint(pattern: str, reason: str) -> str:
    """Say what is wrong with a pattern, from RE2's reason, such as "invalid perl operator: (?="."""
    kind, _, part = reason.partition(": ")
    if kind == "pattern too large - compile failed":
        return "The regular expression is too large: shorten it, or lower its repetition counts"
    if kind == "invalid repetition size":
        return f"Invalid regular expression: repetition counts must ascend and multiply to at most 1000, got {part}"
    if kind in ("invalid perl operator", "invalid escape sequence", "bad repetition operator"):
        named = re.search(r"\(\?P[=>]", pattern) if part == "(?P" else None  # RE2 ends its reason before the sign
        part = named[0] if named else part
        for begin, name in _UNSUPPORTED:
            if re.match(begin, part):
                return f"Regular expressions do not support {name} (`{part}`): use RE2 syntax"
    return f"Invalid regular expression: {reason}"
