"""Small helpers on the standard library, for every part but the core."""

from segops.utils.concurrency import Bell, ForkLock, runs, start_thread
from segops.utils.paths import LocalUrl, absolute_path, expand_home, parse_local_url
from segops.utils.text import BOM, decode_text, escape, escape_json, find_foreign_encoding, format_json

__all__ = [
    "BOM",
    "Bell",
    "ForkLock",
    "LocalUrl",
    "absolute_path",
    "decode_text",
    "escape",
    "escape_json",
    "expand_home",
    "find_foreign_encoding",
    "format_json",
    "parse_local_url",
    "runs",
    "start_thread",
]
