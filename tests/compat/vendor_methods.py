"""Print the names of all public methods and functions of the vendor's two packages; run as a program."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
from types import ModuleType

import segops


def public(owner: object) -> list[str]:
    return [name for name in dir(owner) if name[0] != "_"]


def methods(owner: object) -> list[str]:
    return [name for name in public(owner) if callable(getattr(owner, name))]


def functions(package: ModuleType) -> list[str]:
    """Return the functions that a package or one of its public modules offers, with the name of the module."""
    found = [name for name in public(package) if inspect.isfunction(getattr(package, name))]
    for module in pkgutil.iter_modules(package.__path__):
        if module.name[0] != "_":
            inside = importlib.import_module(f"{package.__name__}.{module.name}")
            defined = [n for n in public(inside) if inspect.isfunction(getattr(inside, n))]
            found += [f"{module.name}.{name}" for name in defined]
    return found


segops_admin = importlib.import_module("segops_admin")  # mypy does not know where it is
admin = segops_admin.SegOpsAdmin("sk_any")
spaces = [name for name in public(admin) if not callable(getattr(admin, name))]
in_spaces = [f"{space}.{name}" for space in spaces for name in methods(getattr(admin, space))]
json.dump(
    {
        "segops": [*methods(segops.SegOpsClient), *functions(segops)],
        "segops_admin": [*methods(admin), *in_spaces, *functions(segops_admin)],
    },
    sys.stdout,
)
