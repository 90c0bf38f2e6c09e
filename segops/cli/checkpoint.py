"""Record how far `segops send` has come, so that a later run goes on from there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from segops.bulk.job import Progress
from segops.cli.survey import Input
from segops.core import SegOpsArgumentError
from segops.utils import expand_home, try_to_lock

FORMAT = 1


class Settings(msgspec.Struct, frozen=True):
    """The options that decide what is sent."""

    mapping: list[str]
    ignored: list[str]
    enrich: bool

    def __str__(self) -> str:
        words = [f"--map {word}" for word in self.mapping] + [f"--ignore-key {name}" for name in self.ignored]
        return " ".join([*words, *(["--enrich"] if self.enrich else [])]) or "no --map, --ignore-key or --enrich"


class Checkpoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job, and how far it is.

    Attributes:
        segops_checkpoint: The version of this format.
        url: Where its events go.
        started_at: The time of events that have none.
        settings: The options that decide what is sent.
        inputs: Its files.
        progress: How far it is.
        is_complete: Whether it is done.
    """

    segops_checkpoint: int = FORMAT
    url: str
    started_at: datetime
    settings: Settings
    inputs: list[Input]
    progress: Progress
    is_complete: bool = False


class CheckpointFile:
    """The file of a checkpoint.

    Args:
        name: Its name.

    Raises:
        SegOpsArgumentError: It is not the name of a file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path(expand_home(name))
        if not self._path.name or self._path.is_dir():
            raise SegOpsArgumentError(f"--checkpoint must be the name of a file, got {name!r}")

    def read(self) -> Checkpoint | None:
        """Return the checkpoint, or None if the file does not exist.

        Raises:
            SegOpsArgumentError: The file is something else, or cannot be read.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SegOpsArgumentError(f"cannot read the checkpoint {self.name!r} ({error.strerror})") from error
        try:
            version = msgspec.json.decode(content, type=_Versioned).segops_checkpoint
            if version == FORMAT:
                return msgspec.json.decode(content, type=Checkpoint)
        except msgspec.MsgspecError:
            raise SegOpsArgumentError(
                f"{self.name!r} is not a checkpoint of segops send: pass another file to --checkpoint"
            ) from None
        raise SegOpsArgumentError(
            f"the checkpoint {self.name!r} has the format {version}, and this version of segops reads {FORMAT}: "
            "resume it with the version that wrote it"
        )

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint: a process that is killed leaves the old or the new one.

        Raises:
            SegOpsArgumentError: It cannot be written.
        """
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(checkpoint)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise SegOpsArgumentError(f"cannot write the checkpoint {self.name!r} ({error.strerror})") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from using the checkpoint at the same time.

        Raises:
            SegOpsArgumentError: Another process uses it, or it cannot be written.
        """
        if sys.platform == "win32":
            yield
            return
        path = self._path.with_name(f"{self._path.name}.lock")
        try:
            file = path.open("wb")
        except OSError as error:
            raise SegOpsArgumentError(f"cannot write the checkpoint {self.name!r} ({error.strerror})") from error
        with file:
            if not _lock(file.fileno(), path):
                raise SegOpsArgumentError(
                    f"another process is using the checkpoint {self.name!r}: wait for it, or pass another file"
                )
            try:
                yield
            finally:
                path.unlink(missing_ok=True)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        return try_to_lock(descriptor) and os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:  # its holder has just removed it
        return False


class _Versioned(msgspec.Struct):
    segops_checkpoint: int


def check_resumable(checkpoint: Checkpoint, name: str, inputs: Sequence[Input], settings: Settings) -> None:
    """Check that a checkpoint belongs to this job.

    Raises:
        SegOpsArgumentError: The files or the options are others, or a file has changed.
    """
    over = "to start over, pass another file to --checkpoint"
    before = [each.name for each in checkpoint.inputs]
    for old, new in zip(checkpoint.inputs, inputs, strict=False):
        if old.digest == new.digest:
            continue
        if old.name == new.name:
            raise SegOpsArgumentError(
                f"{new.name!r} has changed since the checkpoint {name!r} was written (it had {old.size:,} bytes, "
                f"and has {new.size:,}): restore it, or, {over}"
            )
        raise SegOpsArgumentError(
            f"the checkpoint {name!r} belongs to other files, {', '.join(map(repr, before))}: pass those, or, {over}"
        )
    if len(inputs) != len(checkpoint.inputs):
        raise SegOpsArgumentError(
            f"the checkpoint {name!r} belongs to {len(before)} files, {', '.join(map(repr, before))}, "
            f"got {len(inputs)}: pass those, or, {over}"
        )
    if settings != checkpoint.settings:
        raise SegOpsArgumentError(
            f"the checkpoint {name!r} was made with {checkpoint.settings}, got {settings}: pass the same, or, {over}"
        )


def check_url(checkpoint: Checkpoint, name: str, url: str) -> None:
    """Check that a checkpoint belongs to a SegOps.

    Raises:
        SegOpsArgumentError: It belongs to another one.
    """
    if url != checkpoint.url:
        raise SegOpsArgumentError(
            f"the checkpoint {name!r} belongs to {checkpoint.url}, got {url}: pass that URL, "
            "or, to start over, pass another file to --checkpoint"
        )
