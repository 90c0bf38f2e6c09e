"""The admin SDK: the namespaces of `SegOpsAdmin`, and the building blocks for your own.

The built-in namespaces use the same hook as third-party ones. Names are loaded on first use, so programs that only send
events do not pay for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segops.core import hookimpl
from segops.plugins.admin import resources
from segops.plugins.admin.resources import HOMES, Namespaces, load_resources

if TYPE_CHECKING:
    from segops.plugins.admin.bulk import UpsertReport
    from segops.plugins.admin.computable import Computable
    from segops.plugins.admin.concurrency import AsyncItems, AsyncPage, AsyncView, in_thread
    from segops.plugins.admin.context import CallCancelled, captured_responses
    from segops.plugins.admin.crud import Crud, UpdateMethod
    from segops.plugins.admin.csv_files import Upload
    from segops.plugins.admin.exports import Exportable, ExportFormat, ExportJob
    from segops.plugins.admin.http import HttpClient
    from segops.plugins.admin.methods import Method, methods_of
    from segops.plugins.admin.options import Options
    from segops.plugins.admin.pagination import Items, Page
    from segops.plugins.admin.paths import Id
    from segops.plugins.admin.records import Receipt, Record, documented_fields
    from segops.plugins.admin.resource import Endpoint, EndpointCall, Fields, Resource, composite, endpoint
    from segops.plugins.admin.resources import *  # noqa: F403 - `__all__` below has them
    from segops.plugins.admin.sinks import Progress, Target

__all__ = [
    "AsyncItems",
    "AsyncPage",
    "AsyncView",
    "CallCancelled",
    "Computable",
    "Crud",
    "Endpoint",
    "EndpointCall",
    "ExportFormat",
    "ExportJob",
    "Exportable",
    "Fields",
    "HttpClient",
    "Id",
    "Items",
    "Method",
    "Namespaces",
    "Options",
    "Page",
    "Progress",
    "Receipt",
    "Record",
    "Resource",
    "Target",
    "UpdateMethod",
    "Upload",
    "UpsertReport",
    "captured_responses",
    "composite",
    "documented_fields",
    "endpoint",
    "in_thread",
    "load_resources",
    "methods_of",
]
__all__ += resources.__all__

_HOMES = {
    "csv_files": ("Upload",),
    "bulk": ("UpsertReport",),
    "context": ("CallCancelled", "captured_responses"),
    "concurrency": ("AsyncItems", "AsyncPage", "AsyncView", "in_thread"),
    "computable": ("Computable",),
    "crud": ("Crud", "UpdateMethod"),
    "exports": ("Exportable", "ExportFormat", "ExportJob"),
    "http": ("HttpClient",),
    "options": ("Options",),
    "pagination": ("Items", "Page"),
    "paths": ("Id",),
    "records": ("Receipt", "Record", "documented_fields"),
    "resource": ("EndpointCall", "Endpoint", "Fields", "Resource", "composite", "endpoint"),
    "sinks": ("Progress", "Target"),
    "methods": ("Method", "methods_of"),
}

_HOME_OF = {
    **{name: home for home, names in _HOMES.items() for name in names},
    **{name: f"resources.{home}" for name, home in HOMES.items()},
}


@hookimpl
def segops_register_resources() -> dict[str, type[Resource]]:
    """Register the built-in namespaces."""
    return load_resources()


if not TYPE_CHECKING:  # otherwise type checkers accept any name

    def __getattr__(name: str) -> Any:
        """Load the module of a public name on first use."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _HOMES["concurrency"]:  # freezers find the other modules through `load_resources`
            from segops.plugins.admin import concurrency  # noqa: PLC0415

            return getattr(concurrency, name)
        if name in _HOMES["methods"]:
            from segops.plugins.admin import methods  # noqa: PLC0415

            return getattr(methods, name)
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
