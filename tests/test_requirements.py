"""The pinned development requirements install with every pip that a supported Python bundles.

An old pip takes a hash-checked file only if each `name[extra]` that a package asks for is pinned with that extra.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).parent.parent
PINS = ROOT / "requirements" / "dev.txt"
EXTRA_PINS = {group: ROOT / "requirements" / f"{group}.txt" for group in ("full", "engines")}
FILES = {"dev": PINS, "peers": ROOT / "bench" / "peers" / "requirements.txt", **EXTRA_PINS}


def pins(path: Path) -> Iterator[Requirement]:
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            yield Requirement(line.removesuffix("\\").strip())


def requested(name: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield what an installed distribution asks for, with these of its extras."""
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


def requirements_of(group: str) -> Iterator[Requirement]:
    """Yield the requirements of a dependency group and of those that it includes."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    for entry in groups[group]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from requirements_of(entry["include-group"])


def test_each_extra_that_is_asked_for_is_pinned() -> None:
    here = {canonicalize_name(pin.name): pin for pin in pins(PINS) if pin.marker is None or pin.marker.evaluate()}
    asked = [("this project", requirement) for requirement in requirements_of("dev")]
    for name, pin in here.items():
        asked += [(name, requirement) for requirement in requested(name, pin.extras)]
    assert any(requirement.extras for _, requirement in asked), "nothing asks for an extra: this test sees nothing"
    missing = [
        f"{asker} asks for {requirement.name}[{','.join(sorted(requirement.extras))}]"
        for asker, requirement in asked
        if not requirement.extras <= here[canonicalize_name(requirement.name)].extras
    ]
    assert not missing


@pytest.mark.parametrize("group", EXTRA_PINS)
def test_each_extra_that_an_optional_group_asks_for_is_pinned(group: str) -> None:
    pinned = {(canonicalize_name(pin.name), extra) for pin in pins(EXTRA_PINS[group]) for extra in {"", *pin.extras}}
    for requirement in requirements_of(group):
        assert {(canonicalize_name(requirement.name), extra) for extra in {"", *requirement.extras}} <= pinned


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_each_pin_is_exact_hashed_and_without_an_index(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    for pin in pins(path):
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
    unhashed = re.findall(r"^\S.*[^\\]$", text, re.MULTILINE)  # a hash follows a line that is continued
    assert not unhashed
