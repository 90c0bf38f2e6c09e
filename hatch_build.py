"""Compiles `segops/delivery/_speedups.c` into the package, if it can; the SDK is slower without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

MODULE = "segops.delivery._speedups"


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """Is found by hatchling by its name and by that of this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Compile in place; a wheel gets the result, and is then one for this platform only."""
        if self.target_name != "wheel":
            return
        compiled = build(Path(self.root))
        if compiled.is_file():
            build_data["artifacts"].append(f"/{compiled.relative_to(self.root).as_posix()}")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


def build(root: Path) -> Path:
    """Compile, and return where the result is, if there was a compiler and it succeeded; if not, it says so."""
    source = root.joinpath(*MODULE.split(".")).with_suffix(".c")
    module = Extension(MODULE, [str(source.relative_to(root))], optional=True)
    command = build_ext(Distribution({"ext_modules": [module], "src_root": str(root)}))
    command.build_lib = str(root)
    command.build_temp = str(root / "build")
    command.ensure_finalized()
    compiled = Path(command.get_ext_fullpath(MODULE))
    compiled.unlink(missing_ok=True)  # of an earlier build, perhaps of another source
    command.run()
    return compiled
