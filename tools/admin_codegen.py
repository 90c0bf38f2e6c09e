"""Generate what follows from the admin resources: `python -m tools.admin_codegen [FOLDER]`.

Writes the registry of the modules in `segops/plugins/admin/resources/`, the types of `AsyncSegOpsAdmin`, and the
reference documentation. A test fails when they are out of date.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from segops.admin import SegOpsAdmin
from segops.plugins.admin import Crud, Method, Record, Resource, load_resources, methods_of
from segops.plugins.admin import __all__ as public_names

FOLDER = "segops/plugins/admin/resources"
REGISTRY = f"{FOLDER}/__init__.py"
REFERENCE = "docs/admin-reference.md"
STUB = "segops/async_admin.pyi"

_LINE_LENGTH = 120

_REGISTRY = '''"""The built-in admin resources, one file each. Made by `python -m tools.admin_codegen`: do not edit."""

# ruff: noqa: I001, PLC0415, TC004 - imported on use: clients that only send events need none of these
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segops.plugins.admin.resource import Resource
{imports}

__all__ = [
{names}
]

HOMES = {{
{homes}
}}
"""The module of each public name."""


class Namespaces:
    """The built-in namespaces as attributes, for type checkers."""

{annotations}


def load_resources() -> dict[str, type[Resource]]:
    """Import the built-in resources and return them by namespace."""
{loads}

    return {{
{entries}
    }}
'''

_REFERENCE_HEAD = """# Admin reference

All methods of `SegOpsAdmin`. See [the guide](admin.md) for an introduction.

<!-- made by python -m tools.admin_codegen -->

Paths are relative to the base URL. A method with several endpoints calls other methods. Pass bodies and filters as a
mapping, as keywords, or both. All methods raise `SegOpsArgumentError` for arguments that cannot be sent,
`SegOpsApiError` if the server returns an error, and `SegOpsTransportError` if no response arrives.
"""

_STUB_HEAD = """# Made by `python -m tools.admin_codegen`: do not edit.
# fmt: off
# ruff: noqa: A002, E501
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from segops.admin import Raw
from segops.core import Clock, Response, RetryPolicy, Transport
from segops.plugins.admin import (
{names}
)

_P = ParamSpec("_P")
_T = TypeVar("_T")
"""

_STUB_CLASS = """
class AsyncHttpClient:
    async def request{request}: ...
    async def send{send}: ...

class AsyncSegOpsAdmin:
{namespaces}
    def __init__{init}: ...
    @property
    def http(self) -> AsyncHttpClient: ...
    @property
    def methods(self) -> tuple[Method, ...]: ...
    @property
    def transport(self) -> Transport: ...
    def resource(self, cls: type[Resource]) -> AsyncView: ...
    def with_options{with_options}: ...
    async def raw(
        self, method: Callable[_P, Awaitable[_T]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Raw[_T]: ...
    async def close(self) -> None: ...
    async def __aenter__(self) -> AsyncSegOpsAdmin: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
"""


def make_registry(folder: Path) -> str:
    """Return the module that registers the resources in a checkout.

    Args:
        folder: The checkout.
    """
    names = sorted(path.stem for path in (folder / FOLDER).glob("*.py") if not path.stem.startswith("_"))
    modules = {name: importlib.import_module(f"segops.plugins.admin.resources.{name}") for name in names}
    public = {name: sorted(_classes(module, Record) | _classes(module, Resource)) for name, module in modules.items()}
    resources = {name: min(_classes(module, Resource)) for name, module in modules.items()}
    homes = {each: name for name, classes in public.items() for each in classes}
    return _REGISTRY.format(
        imports="\n".join(_import(name, classes) for name, classes in public.items()),
        names="\n".join(f'    "{each}",' for each in sorted(homes)),
        homes="\n".join(f'    "{each}": "{name}",' for each, name in sorted(homes.items())),
        annotations="\n".join(f"    {name}: {cls}" for name, cls in resources.items()),
        loads="\n".join(_import(name, [cls]) for name, cls in resources.items()),
        entries="\n".join(f'        "{name}": {cls},' for name, cls in resources.items()),
    )


def make_reference(resources: Mapping[str, type[Resource]] | None = None) -> str:
    """Return the reference documentation of all methods, as Markdown.

    Args:
        resources: The resources by namespace. Default: the built-in ones.
    """
    return "\n".join([_REFERENCE_HEAD, *_sections(load_resources() if resources is None else resources)])


def make_stub() -> str:
    """Return the types of the asyncio variant, as a stub file."""
    resources = load_resources()
    classes = "\n".join(_stub_classes(resources))
    tail = _STUB_CLASS.format(
        request=_asynchronous(SegOpsAdmin(base_url="memory:").http.request, with_self=True),
        send=_asynchronous(SegOpsAdmin(base_url="memory:").http.send, with_self=True),
        namespaces="\n".join(f"    {name}: Async{cls.__name__}" for name, cls in resources.items()),
        init=_asynchronous(SegOpsAdmin.__init__),
        with_options=_asynchronous(SegOpsAdmin.with_options),
    )
    used = set(re.findall(r"\w+", classes + tail))
    names = sorted(used.intersection(public_names))
    return _STUB_HEAD.format(names="\n".join(f"    {name}," for name in names)) + f"\n{classes}\n{tail}"


def main(folder: Path) -> None:
    """Write all files into a checkout.

    Args:
        folder: The checkout.
    """
    (folder / REGISTRY).write_text(make_registry(folder), "utf-8")
    (folder / REFERENCE).write_text(make_reference(), "utf-8")
    (folder / STUB).write_text(make_stub(), "utf-8")


def _classes(module: ModuleType, base: type) -> set[str]:
    """Return the names of the public subclasses that a module defines."""
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    }


def _import(module: str, names: list[str]) -> str:
    line = f"    from segops.plugins.admin.resources.{module} import {', '.join(names)}"
    if len(line) <= _LINE_LENGTH:
        return line
    return line.partition(" import ")[0] + " import (\n" + "".join(f"        {name},\n" for name in names) + "    )"


def _sections(resources: Mapping[str, type[Resource]]) -> Iterator[str]:
    for namespace, cls in resources.items():
        yield f"## {namespace}\n\n{(inspect.getdoc(cls) or '').partition(chr(10))[0]}\n"
        methods = {method.name: method for method in methods_of({namespace: cls})}
        for method in methods.values():
            yield _entry(cls, method, methods)


def _entry(cls: type[Resource], method: Method, others: Mapping[str, Method]) -> str:
    endpoints = [method] if method.http_method else [others[name] for name in method.uses]
    lines = [f"`{each.http_method} {each.path}`" for each in _leaves(endpoints, others)]
    notes = [] if method.is_listed else ["The API does not document this endpoint: expect `SegOpsNotFoundError`."]
    if method.pagination is not None:
        notes.append(f"Pagination: {method.pagination}.")
    paragraphs = [
        f"### {method.namespace}.{method.name}",
        f"`{method.name}{_shown(cls, method)}`",
        " · ".join(dict.fromkeys(lines)),
        method.summary,
        " ".join(notes),
        "\n".join(f"- `{name}`: {text}" for name, text in method.argument_docs.items()),
        _names(cls, method),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _names(cls: type[Resource], method: Method) -> str:
    """Return the documented names of a body or a query, where there are any."""
    allowed = cls.allowed_fields(vars(method.function)["endpoint"])
    if allowed is None or not allowed.names:
        return ""
    what = "Fields" if method.is_mutation else "Parameters"
    more = ", and any attribute" if allowed.is_open else ""
    return f"{what}: {', '.join(f'`{name}`' for name in sorted(allowed.names))}{more}."


def _leaves(methods: list[Method], others: Mapping[str, Method]) -> Iterator[Method]:
    for method in methods:
        if method.http_method:
            yield method
        else:
            yield from _leaves([others[name] for name in method.uses], others)


def _shown(cls: type[Resource], method: Method) -> str:
    return re.sub(r"\bR\b", _record(cls), str(method.signature)).replace("'", "")


def _record(cls: type[Resource]) -> str:
    return cls.record.__name__ if issubclass(cls, Crud) else ""


def _stub_classes(resources: Mapping[str, type[Resource]]) -> Iterator[str]:
    for namespace, cls in resources.items():
        yield f"class Async{cls.__name__}:"
        for method in methods_of({namespace: cls}):
            prefix = "async def" if method.http_method or method.pagination is None else "def"
            yield f"    {prefix} {method.name}{_asynchronous(method.function, _record(cls))}: ..."


def _asynchronous(function: object, record: str = "", *, with_self: bool = False) -> str:
    """Return the signature of a function as the asyncio variant has it."""
    text = str(inspect.signature(function))  # type: ignore[arg-type] # all of them can be called
    if with_self:
        text = text.replace("(", "(self, ", 1)
    text = re.sub(r"= '[^']*'", "= ...", text)
    text = re.sub(r"'([^']*)'", r"\1", text)
    text = re.sub(r"\bR\b", record, text)
    text = re.sub(r"\b(Page|Items)\[", r"Async\1[", text)
    text = text.replace("SegOpsAdmin", "AsyncSegOpsAdmin")
    return re.sub(r"= <[^>]*>|= UNSET", "= ...", text)  # what has no literal


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
