"""The programs of regular expressions, put together by Thompson's construction."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_STATES = 1000
"""The most states of a program; each repetition that is counted out takes its own."""

Test = Callable[[str], bool]
Condition = Callable[[str, str], bool]


class Program(msgspec.Struct, frozen=True):
    """What a pattern becomes; it starts in state 0.

    Attributes:
        reads: For each state, the characters it takes (as a test) and where they lead.
        jumps: For each state, where it leads without a character; always, or if a condition holds on what is before
            ("start", "word" or "other") and on the following character (empty at the end).
        final: The state at which the pattern is found.
    """

    reads: list[list[tuple[Test, int]]]
    jumps: list[list[tuple[Condition | None, int]]]
    final: int


Node = Callable[["Builder", int], int]
"""Adds its states and edges from a state on, and returns the state at its end."""


class Builder:
    """The states and edges so far."""

    def __init__(self) -> None:
        self.reads: list[list[tuple[Test, int]]] = []
        self.jumps: list[list[tuple[Condition | None, int]]] = []
        self.new()

    def new(self) -> int:
        """Return a new state.

        Raises:
            ValueError: There are too many.
        """
        if len(self.reads) >= MAX_STATES:
            raise ValueError("The regular expression is too large")
        self.reads.append([])
        self.jumps.append([])
        return len(self.reads) - 1


def read(test: Test) -> Node:
    """Return the node that takes one character."""

    def build(builder: Builder, start: int) -> int:
        end = builder.new()
        builder.reads[start].append((test, end))
        return end

    return build


def jump(condition: Condition) -> Node:
    """Return the node that takes no character, and holds only between some."""

    def build(builder: Builder, start: int) -> int:
        end = builder.new()
        builder.jumps[start].append((condition, end))
        return end

    return build


def all_of(parts: list[Node]) -> Node:
    """Return the node of parts that follow each other."""

    def build(builder: Builder, start: int) -> int:
        for part in parts:
            start = part(builder, start)
        return start

    return build


def any_of(branches: list[Node]) -> Node:
    """Return the node of branches of which one is taken."""

    def build(builder: Builder, start: int) -> int:
        end = builder.new()
        for branch in branches:
            first = builder.new()
            builder.jumps[start].append((None, first))
            builder.jumps[branch(builder, first)].append((None, end))
        return end

    return build


def repeated(node: Node, least: int, most: int | None) -> Node:
    """Return the node that repeats another; without end if `most` is None."""

    def build(builder: Builder, start: int) -> int:
        for _ in range(least):
            start = node(builder, start)
        end = builder.new()
        if most is None:
            again = builder.new()
            builder.jumps[start].append((None, again))
            builder.jumps[node(builder, again)].append((None, again))
            builder.jumps[again].append((None, end))
            return end
        for _ in range(most - least):
            builder.jumps[start].append((None, end))
            start = node(builder, start)
        builder.jumps[start].append((None, end))
        return end

    return build
