"""The topic that a URL names, and errors in words that help."""

from __future__ import annotations

from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException

from segops.brokers.options import credentials, read_options, split_url
from segops.core import SegOpsConfigError, SegOpsError, SegOpsTimeoutError, SegOpsTransportError

EXAMPLE = "kafka://broker1:9092,broker2:9092/segops-events"
TIMEOUT = 5.0

_OPTIONS = {"acks": "all", "group": "", "tls": "0", "sasl": "PLAIN"}
_CHOICES = {
    "acks": ("all", "1"),
    "tls": ("0", "1"),
    "sasl": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}
_MAX_NAME = 220
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - a constant of the library
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - a constant of the library
    KafkaError.TOPIC_EXCEPTION,
}
"""What no retry cures."""


class Topic(msgspec.Struct, frozen=True):
    """What the URL of a topic says.

    Attributes:
        servers: The brokers to ask first, separated by commas.
        name: The name of the topic.
        group: The group that forwarders share.
        acks: Which replicas must have an event before it counts as added.
        security: The settings of librdkafka for TLS and the login.
    """

    servers: str
    name: str
    group: str
    acks: str
    security: dict[str, str]

    @classmethod
    def from_url(cls, url: str) -> Topic:
        """Read a URL such as "kafka://broker1:9092,broker2:9092/segops-events?acks=all".

        Raises:
            SegOpsConfigError: Something in it is unknown or invalid.
        """
        parts = split_url(url, EXAMPLE)
        options = read_options(parts, _OPTIONS)
        for name, choices in _CHOICES.items():
            if options[name] not in choices:
                raise SegOpsConfigError(f"{name} must be one of {', '.join(choices)}, got {options[name][:40]!r}")
        topic = parts.path.strip("/")
        group = options["group"] or f"segops-forward.{topic}"
        for what, name in (("the topic in the path of the URL", topic), ("group", group)):
            if not (0 < len(name) <= _MAX_NAME and _NAME.issuperset(name)):
                raise SegOpsConfigError(f"{what} must be letters, digits, '_', '.' or '-', got {name[:80]!r}")
        user, password = credentials(parts)
        return cls(
            parts.netloc.rpartition("@")[2],
            topic,
            group,
            options["acks"],
            _security(user, password, options),
        )

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return f"kafka://{self.servers}/{self.name}"

    def __repr__(self) -> str:
        """Show no password."""
        return f"Topic({self.url!r})"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return the settings of a client of librdkafka, which says nothing by itself."""
        common = {"bootstrap.servers": self.servers, "log_level": 0, "socket.timeout.ms": round(TIMEOUT * 1000)}
        return {**common, **self.security, **{name.replace("_", "."): value for name, value in more.items()}}


def _security(user: str | None, password: str | None, options: dict[str, str]) -> dict[str, str]:
    protocol = f"{'SASL_' if user else ''}{'SSL' if options['tls'] == '1' else 'PLAINTEXT'}"
    login = {"sasl.mechanism": options["sasl"], "sasl.username": user, "sasl.password": password or ""} if user else {}
    return {"security.protocol": protocol, **{name: text for name, text in login.items() if text is not None}}


def translated(error: KafkaException | KafkaError, topic: Topic) -> SegOpsError:
    """Return what an error of librdkafka means for the user."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(cause, KafkaError):
        return SegOpsTransportError(f"{topic.url}: {cause}")
    if cause.code() in _REFUSED:
        return SegOpsConfigError(f"{topic.url}: {cause.str()}: check the topic, and what the user may do")
    if cause.code() in {KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT, KafkaError.REQUEST_TIMED_OUT}:  # noqa: SLF001
        return SegOpsTimeoutError(f"{topic.url} did not respond in time")
    return SegOpsTransportError(f"{topic.url}: {cause.str()}")
