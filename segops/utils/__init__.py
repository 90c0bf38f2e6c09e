"""Helpers for every package but the core."""

from segops.core.options import check_number
from segops.core.retry import monotonic
from segops.utils.concurrency import Bell, ForkLock, runs, start_thread
from segops.utils.keys import stable_key
from segops.utils.locks import try_to_lock
from segops.utils.logger import Level, is_logging_configured, log
from segops.utils.modules import needs_modules
from segops.utils.paths import LocalUrl, absolute_path, expand_home, parse_local_url
from segops.utils.text import BOM, decode_text, escape, escape_json, find_foreign_encoding, format_json, nearest

__all__ = [
    "BOM",
    "Bell",
    "ForkLock",
    "Level",
    "LocalUrl",
    "absolute_path",
    "check_number",
    "decode_text",
    "escape",
    "escape_json",
    "expand_home",
    "find_foreign_encoding",
    "format_json",
    "is_logging_configured",
    "log",
    "monotonic",
    "nearest",
    "needs_modules",
    "parse_local_url",
    "runs",
    "stable_key",
    "start_thread",
    "try_to_lock",
]
