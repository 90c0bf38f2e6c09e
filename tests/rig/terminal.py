"""Run the program on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping
from typing import NamedTuple

from tests.rig.programs import SEGOPS


class Shown(NamedTuple):
    """What a person sees, and the exit code."""

    code: int
    text: str


def on_terminal(*words: str, environment: Mapping[str, str], typed: str = "", columns: int = 100) -> Shown:
    """Run the program with all three streams on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [*SEGOPS, *words]
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        pieces = []
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
        code = process.wait(timeout=60)
    os.close(ours)
    return Shown(code, b"".join(pieces).decode().replace("\r\n", "\n"))
