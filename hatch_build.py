"""Compile `segops/delivery/_speedups.c` into the package where a compiler is available; the SDK is slower without.

`SEGOPS_PURE=1` skips it: the wheel then has the tag py3-none-any and runs everywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

MODULE = "segops.delivery._speedups"


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """The build hook that hatchling finds by the name of this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Compile in place; a wheel contains the result, and is then for this platform only."""
        if self.target_name != "wheel" or os.environ.get("SEGOPS_PURE") == "1":
            return
        compiled = build(Path(self.root))
        if compiled is not None:
            build_data["artifacts"].append(f"/{compiled.relative_to(self.root).as_posix()}")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


def build(root: Path) -> Path | None:
    """Compile the module and put it into place.

    Returns:
        Where it is; None if the compiler is missing or failed. A module that was built before then stays as it is.
    """
    source = root.joinpath(*MODULE.split(".")).with_suffix(".c")
    extension = Extension(MODULE, [str(source.relative_to(root))], optional=True)
    command = build_ext(Distribution({"ext_modules": [extension], "src_root": str(root)}))
    with TemporaryDirectory(dir=root, prefix="build-") as folder:  # on the same disk, so that it can be moved
        command.build_lib = folder
        command.build_temp = folder
        command.ensure_finalized()
        command.run()
        compiled = Path(command.get_ext_fullpath(MODULE))
        return compiled.replace(source.with_name(compiled.name)) if compiled.is_file() else None
