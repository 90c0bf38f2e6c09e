"""Import optional modules, with a clear error where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from segops.core.errors import SegOpsConfigError


@contextmanager
def needs_modules(what: str, *, extra: str | None = None) -> Iterator[None]:
    """Raise SegOpsConfigError if an import inside the block fails; Python may be built without some of its modules.

    Args:
        what: What needs the modules; it begins the error message.
        extra: The extra of this distribution that installs the modules that are not in the standard library.

    Raises:
        SegOpsConfigError: One of them cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in sys.stdlib_module_names:
            remedy = "use a Python that is built with it"
        else:
            remedy = f"run pip install 'segops-sdk{f'[{extra}]' if extra else ''}'"
        raise SegOpsConfigError(
            f"{what} needs the module {name.lstrip('_')!r}, which this Python does not have: {remedy}"
        ) from error
