r"""Regular expressions whose time grows with the text only, never explodes: all ways through are followed at once.

The dialect is the common part of RE2 and Python: literals, `.`, classes, `\d \w \s` (ASCII) and their opposites,
`\b \B ^ $` (the ends of the text), groups, `|`, the quantifiers `* + ? {m,n}`, each also lazy, and `(?i)` in front.
What needs backtracking (back references, looking around) is refused. A pattern matches if it is found anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from segops.local.segments.regex_program import Program
from segops.local.segments.regex_syntax import WORD, read_pattern

_SIZE_KEPT = 200_000
_CHECK_EVERY = 1024

_States = frozenset[int]


@lru_cache(maxsize=100)
def compile_regex(pattern: str) -> Program:
    """Return the program of a pattern.

    Raises:
        ValueError: It cannot be read, needs backtracking, or is too large.
    """
    return read_pattern(pattern)


class Matcher:
    """Searches texts for one pattern.

    The sets of states met so far are remembered, so most characters cost one look-up.

    Args:
        pattern: The pattern.
        deadline: The `time.monotonic()` after which a search gives up.
    """

    def __init__(self, pattern: str, deadline: float) -> None:
        self._program = compile_regex(pattern)
        self._deadline = deadline
        self._known: dict[tuple[_States, str, str], _States] = {}
        self._size = 0

    def search(self, text: str) -> bool:
        """Tell whether the pattern is found in the text.

        Raises:
            TimeoutError: The deadline has passed.
        """
        states: _States = frozenset()
        before = "start"
        for position in range(len(text) + 1):
            if position % _CHECK_EVERY == 0 and time.monotonic() > self._deadline:
                raise TimeoutError("a regular expression took too long")
            following = text[position : position + 1]
            key = (states, before, following)
            known = self._known.get(key)
            states = self._step(key) if known is None else known
            if self._program.final in states:
                return True
            before = "word" if following in WORD else "other"
        return False

    def _step(self, key: tuple[_States, str, str]) -> _States:
        """Return where one character leads; also the final state if the end of the pattern is reached before it."""
        states, before, following = key
        reached = self._closure({*states, 0}, before, following)
        led = {self._program.final} & reached
        for state in reached if following else ():
            led.update(target for test, target in self._program.reads[state] if test(following))
        if self._size > _SIZE_KEPT:
            self._known.clear()
            self._size = 0
        self._known[key] = frozenset(led)
        self._size += len(led) + 1
        return self._known[key]

    def _closure(self, states: set[int], before: str, following: str) -> set[int]:
        waiting = list(states)
        while waiting:
            for condition, target in self._program.jumps[waiting.pop()]:
                if target not in states and (condition is None or condition(before, following)):
                    states.add(target)
                    waiting.append(target)
        return states


def regexp(deadline: float) -> Callable[[str, object], bool]:
    """Return the function behind the SQL operator REGEXP: pattern and value in, whether it is found out."""
    matchers: dict[str, Matcher] = {}

    def search(pattern: str, value: object) -> bool:
        if pattern not in matchers:
            matchers[pattern] = Matcher(pattern, deadline)
        return isinstance(value, str) and matchers[pattern].search(value)

    return search
