"""The syntax of regular expressions: from a pattern to its program."""

from __future__ import annotations

import re
import string

from segops.local.segments.regex_program import Builder, Node, Program, Test, all_of, any_of, jump, read, repeated

MAX_PATTERN = 1000
"""The longest pattern, in characters."""

WORD = frozenset(string.ascii_letters + string.digits + "_")
"""The characters of words."""

_MAX_DEPTH = 50
_DIGIT = frozenset(string.digits)
_SPACE = frozenset(" \t\n\r\f\v")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_CLASSES = {"d": _DIGIT, "w": WORD, "s": _SPACE}
_SIMPLE_COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_COUNT = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}")


def read_pattern(pattern: str) -> Program:
    """Return the program of a pattern.

    Raises:
        ValueError: It cannot be read, needs backtracking, or is too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"A regular expression has at most {MAX_PATTERN} characters")
    reader = _Reader(pattern)
    node = reader.alternatives(0)
    if reader.left:
        raise reader.error("there is no group to close")
    builder = Builder()
    return Program(builder.reads, builder.jumps, node(builder, 0))


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._ignore_case = pattern.startswith("(?i)")
        self._pattern = pattern
        self._at = 4 if self._ignore_case else 0

    @property
    def left(self) -> str:
        return self._pattern[self._at :]

    def error(self, reason: str) -> ValueError:
        return ValueError(f"Cannot read the regular expression at character {self._at + 1}: {reason}")

    def alternatives(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self.error("groups are nested too deeply")
        branches = [self._sequence(depth)]
        while self._take("|"):
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else any_of(branches)

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.left and self.left[0] not in "|)":
            parts.append(self._quantified(depth))
        return all_of(parts)

    def _quantified(self, depth: int) -> Node:
        if self.left[0] in "^$" or self.left[:2] in ("\\b", "\\B"):
            node: Node = self._assertion()
            if self._count() is not None:
                raise self.error("there is nothing to repeat")
            return node
        node = self._atom(depth)
        count = self._count()
        if count is None:
            return node
        self._take("?")  # lazy or not, the same texts match
        if self._count() is not None:
            raise self.error("a repetition cannot be repeated")
        return repeated(node, *count)

    def _count(self) -> tuple[int, int | None] | None:
        found = _COUNT.match(self.left)
        if found:
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
            if most is not None and most < least:
                raise self.error("the counts are the wrong way round")
            self._at += found.end()
            return least, most
        if self.left[:1] in _SIMPLE_COUNTS:
            self._at += 1
            return _SIMPLE_COUNTS[self._pattern[self._at - 1]]
        return None

    def _assertion(self) -> Node:
        if self._take("^"):
            return jump(lambda before, _: before == "start")
        if self._take("$"):
            return jump(lambda _, following: not following)
        wanted = self.left[:2] == "\\b"
        self._at += 2
        return jump(lambda before, following: ((before == "word") != (following in WORD)) == wanted)

    def _atom(self, depth: int) -> Node:
        if self.left[:1] in _SIMPLE_COUNTS or _COUNT.match(self.left):
            raise self.error("there is nothing to repeat")
        if self._take("("):
            return self._group(depth)
        if self._take("["):
            return read(self._class())
        if self._take("."):
            return read(lambda character: character != "\n")
        return read(self._one())

    def _group(self, depth: int) -> Node:
        named = re.match(r"\?P<\w+>", self.left)
        if named:
            self._at += named.end()
        elif not self._take("?:") and self.left[:1] == "?":
            raise self.error("only plain, named and (?:…) groups are known")
        node = self.alternatives(depth + 1)
        if not self._take(")"):
            raise self.error("a group is not closed")
        return node

    def _class(self) -> Test:
        negated = self._take("^")
        tests: list[Test] = []
        while not tests or not self.left.startswith("]"):
            if not self.left or self.left.startswith("[:"):
                raise self.error("a class is not closed, or of a form that is not known")
            tests.append(self._range())
        self._at += 1
        return lambda character: any(test(character) for test in tests) != negated

    def _range(self) -> Test:
        start = self._at
        test = self._one()
        if len(self.left) < 2 or self.left[0] != "-" or self.left[1] == "]":  # noqa: PLR2004 - "-" and an end
            return test
        low = self._character(start)
        self._at += 1
        start = self._at
        self._one()
        high = self._character(start)
        if high < low:
            raise self.error("a range is the wrong way round")
        return self._cased(lambda character: low <= character <= high)

    def _character(self, start: int) -> str:
        text = self._pattern[start : self._at]
        if text[0] != "\\":
            return text
        if text[1] in "dwsDWS":
            raise self.error("a range needs two characters")
        return _CONTROLS.get(text[1], text[1])

    def _one(self) -> Test:
        if not self.left:
            raise self.error("it ends too early")
        if not self._take("\\"):
            return self._literal(self._next())
        letter = self._next()
        if letter.lower() in _CLASSES:
            members, wanted = _CLASSES[letter.lower()], letter.islower()
            return lambda character: (character in members) == wanted
        if letter in _CONTROLS:
            return self._literal(_CONTROLS[letter])
        if not letter or letter.isalnum():
            raise self.error("the escape is not known")
        return self._literal(letter)

    def _literal(self, wanted: str) -> Test:
        return self._cased(lambda character: character == wanted)

    def _cased(self, test: Test) -> Test:
        if not self._ignore_case:
            return test
        return lambda character: test(character.lower()) or test(character.upper())

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]

    def _take(self, text: str) -> bool:
        if self.left.startswith(text):
            self._at += len(text)
            return True
        return False
