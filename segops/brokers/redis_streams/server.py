"""The Redis server that a URL names: connections, and errors in words that help."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from segops.brokers.options import credentials, read_count, read_options, read_size, split_url
from segops.brokers.requests import UnavailableError
from segops.brokers.shards import FORMAT
from segops.core import SegOpsConfigError, SegOpsError, SegOpsTimeoutError, SegOpsTransportError

EXAMPLE = "redis+stream://host:6379/0?stream=segops"

_OPTIONS = {"stream": "segops", "shards": "16", "max_bytes": "1gb", "wait": "0"}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")
_MAX_NAME = 64
_MIN_VERSION = (7, 0)
_UNAVAILABLE = ("OOM ", "READONLY ", "LOADING ", "BUSY ", "MASTERDOWN ", "CLUSTERDOWN ", "TRYAGAIN ", "NOREPLICAS ")
_FORBIDDEN = ("NOPERM", "ACL failure", "no permissions", "The user executing the script")
_ACL = "see docs/scale-out.md, 'Permissions', for what it needs"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL of a stream says.

    Attributes:
        host: The host of the server.
        port: Its port.
        database: The number of its database.
        user: Who logs in; None for the default user.
        password: The password; None for none.
        is_tls: Whether the connection is encrypted.
        stream: The name of the stream, which is also the key of its metadata.
        shards: How many shards it has.
        max_bytes: Bytes that may wait in all shards together.
        replicas: Replicas that must have a batch before it counts as added.
    """

    host: str
    port: int
    database: int
    user: str | None
    password: str | None
    is_tls: bool
    stream: str
    shards: int
    max_bytes: int
    replicas: int

    @classmethod
    def from_url(cls, url: str) -> Address:
        """Read a URL such as "redis+stream://user:password@host:6379/0?stream=segops&shards=16".

        Raises:
            SegOpsConfigError: Something in it is unknown or invalid.
        """
        parts = split_url(url, EXAMPLE)
        options = read_options(parts, _OPTIONS)
        stream = options["stream"]
        if not (0 < len(stream) <= _MAX_NAME and _NAME.issuperset(stream)):
            raise SegOpsConfigError(
                f"stream must be 1 to {_MAX_NAME} letters, digits, '_', '.', ':' or '-', got {stream[:80]!r}"
            )
        try:
            port = parts.port
        except ValueError:
            raise SegOpsConfigError(f"the {parts.scheme}: URL has an invalid port: write {EXAMPLE}") from None
        user, password = credentials(parts)
        return cls(
            host=parts.hostname or "",
            port=6379 if port is None else port,
            database=read_count("the database in the path of the URL", parts.path.strip("/") or "0", 0, 1_000_000),
            user=user,
            password=password,
            is_tls=parts.scheme.lower().startswith("rediss"),
            stream=stream,
            shards=read_count("shards", options["shards"], 1, 1024),
            max_bytes=read_size("max_bytes", options["max_bytes"]),
            replicas=read_count("wait", options["wait"], 0, 100),
        )

    @property
    def url(self) -> str:
        """The URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rediss" if self.is_tls else "redis"
        return f"{scheme}+stream://{host}:{self.port}/{self.database}?stream={self.stream}"

    def key(self, shard: int, name: str) -> str:
        """Return a key of a shard. Those of one shard are in one slot of a cluster."""
        return f"{{{self.stream}:{shard}}}:{name}"

    def __repr__(self) -> str:
        """Show no password."""
        return f"Address({self.url!r})"


class Server:
    """The connections of one process to Redis. Safe for use by many threads, and in forked children."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: redis.Redis | None = None
        self._made_for: tuple[int, float] | None = None
        self._checked_in = 0

    def call(self, *command: str | bytes | float, timeout: float) -> Any:
        """Run a command.

        Raises:
            SegOpsConfigError: The server cannot be used as it is, or refuses the credentials.
            SegOpsTimeoutError: It did not respond within `timeout` seconds.
            SegOpsTransportError: It cannot be reached, or can do nothing at the moment.
        """
        return self._guarded(lambda client: client.execute_command(*command), timeout)

    def script(self, text: str, keys: list[str], *args: str | bytes | float, timeout: float) -> Any:
        """Run a script. Raises as `call` does."""
        return self.call("EVAL", text, len(keys), *keys, *args, timeout=timeout)

    def script_and_wait(self, text: str, keys: list[str], *args: str | bytes | float, timeout: float) -> Any:
        """Run a script, and wait until the replicas that the URL asks for have its result. Raises as `call` does."""

        def run(client: Any) -> Any:
            with client.pipeline(transaction=False) as pipeline:  # WAIT is about what its connection wrote
                pipeline.execute_command("EVAL", text, len(keys), *keys, *args)
                pipeline.execute_command("WAIT", self.address.replicas, int(timeout * 500))
                return pipeline.execute()

        result, reached = self._guarded(run, timeout)
        if reached < self.address.replicas:
            raise SegOpsTransportError(
                f"{self.address.url}: {reached} of {self.address.replicas} replicas confirmed the events (wait=): "
                "check the replicas"
            )
        return result

    def close(self) -> None:
        """Close the connections; a later call opens others."""
        client, self._client = self._client, None
        if client is not None and self._made_for is not None and self._made_for[0] == os.getpid():
            client.close()

    def _guarded(self, action: Callable[[Any], Any], timeout: float) -> Any:
        try:
            client = self._connected(timeout)
            return action(client)
        except (redis.RedisError, OSError, UnicodeError) as error:
            raise _translated(error, self.address, timeout) from error

    def _connected(self, timeout: float) -> redis.Redis:
        made_for = (os.getpid(), round(timeout, 1))  # a child leaves the connections of its parent alone
        if self._client is None or self._made_for != made_for:
            self._client = self._connect(timeout)
            self._made_for = made_for
        if self._checked_in != os.getpid():
            _check(self._client, self.address)
            self._checked_in = os.getpid()
        return self._client

    def _connect(self, timeout: float) -> redis.Redis:
        at = self.address
        return redis.Redis(
            host=at.host,
            port=at.port,
            db=at.database,
            username=at.user,
            password=at.password,
            ssl=at.is_tls,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),  # the engine retries
        )


def _check(client: Any, address: Address) -> None:
    """Raise SegOpsConfigError unless the server has what the scripts need, and keeps what it accepts."""
    info = client.execute_command("INFO")
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < _MIN_VERSION:
        raise SegOpsConfigError(f"{address.url} runs Redis {version}: Redis 7.0 or Valkey 7.2 is the oldest that works")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise SegOpsConfigError(
            f"{address.url} has maxmemory-policy {policy!r}, which deletes events when memory is full: "
            "run CONFIG SET maxmemory-policy noeviction"
        )


def _translated(error: Exception, address: Address, timeout: float) -> SegOpsError:
    """Return what an error of redis-py means for the user. Messages of Redis quote commands and keys, not events."""
    text = str(error)
    if isinstance(error, redis.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return SegOpsConfigError(f"{address.url} refuses the user or the password: check them in the URL")
    if any(words in text for words in _FORBIDDEN):
        return SegOpsConfigError(f"{address.url}: the user lacks a permission ({text}): {_ACL}")
    if "DB index" in text:
        return SegOpsConfigError(f"{address.url}: there is no database {address.database}: check the path of the URL")
    if "WRONGTYPE" in text:
        return SegOpsConfigError(foreign(address))
    if isinstance(error, redis.TimeoutError):
        return SegOpsTimeoutError(f"{address.url} did not respond within {timeout:g} s")
    if isinstance(error, redis.BusyLoadingError | redis.ReadOnlyError | redis.OutOfMemoryError):
        return UnavailableError(f"{address.url} accepts nothing at the moment ({text})")
    if any(word in f"{text} " for word in _UNAVAILABLE):
        return UnavailableError(f"{address.url} accepts nothing at the moment ({text})")
    return SegOpsTransportError(f"{address.url}: {text.rstrip('.') or type(error).__name__}")


def foreign(address: Address) -> str:
    """Return the message about a key that another program made."""
    return (
        f"{address.url}: the key {address.stream!r}, or one of its shards, belongs to another program: "
        "choose another name with ?stream="
    )


def check_metadata(address: Address, version: str, shards: str) -> None:
    """Raise SegOpsConfigError unless a stream has this format, and as many shards as the URL says."""
    if version != str(FORMAT):
        raise SegOpsConfigError(
            f"{address.url}: the stream has format {version[:20]!r}, and this version of segops-sdk reads {FORMAT}: "
            "upgrade it"
        )
    if shards != str(address.shards):
        raise SegOpsConfigError(
            f"{address.url}: the stream has {shards[:20]} shards, and the URL says {address.shards}: write "
            f"shards={shards[:20]}; to resize, stop the producers, run `segops forward URL --once`, delete the key "
            f"{address.stream!r}, and start the producers with the new number"
        )
