"""Read the keys of mappings, in snake_case or in the camelCase of the product documentation."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from segops.core.errors import SegOpsEventError

_MAX_NAMED = 5
_PRESENTABLE = r"[A-Za-z_$][\w$ .:/-]{0,39}"

# What other products call a field, without case and punctuation. The first match is suggested.
_ALSO_KNOWN_AS = {
    "user_id": "user uid id distinctid customerid userkey memberid accountid profileid externalid",
    "event_type": "event eventname name type eventkey action",
    "occurred_at": "timestamp time ts date datetime eventtime eventtimestamp eventdate clienttime createdat sentat "
    "originaltimestamp occurred occurredon when happenedat at",
    "payload": "properties props eventproperties data attributes params parameters body fields trait traits",
    "traits": "trait properties props payload userproperties userattributes personproperties attributes data set",
    "anonymous_id": "anonid anonymous anon deviceid visitorid clientid cookieid",
    "path": "pathname pagepath page pageurlpath",
    "url": "pageurl href uri link location pagelocation currenturl",
    "referrer": "referer pagereferrer ref documentreferrer",
    "title": "pagetitle documenttitle name pagename",
    "user_id_sig": "sig signature hmac usersig useridsignature",
    "user_id_ts": "ts timestamp time signedat userts useridtimestamp",
}


def read_keys(value: object, what: str, names: tuple[str, ...], ignore: Container[str] = frozenset()) -> dict[str, Any]:
    """Return the values of a mapping by field name, whichever of the two spellings its keys have.

    A value that is None counts as absent.

    Args:
        value: The mapping.
        what: What it describes, with its article: "an Event".
        names: The known fields, in snake_case.
        ignore: Keys to skip.

    Raises:
        SegOpsEventError: It is not a mapping, a key is unknown, or a field is given in both spellings.
    """
    if not isinstance(value, Mapping):
        raise SegOpsEventError(f"expected {what}, a mapping, or keywords, got {type(value).__name__}")
    spellings = _spellings(names)
    given: dict[str, Any] = {}
    unknown: list[object] = []
    for key, item in value.items():
        name = spellings.get(key)
        if key in ignore or (name is not None and item is None):
            continue
        if name is None:
            unknown.append(key)
        elif name in given:
            raise SegOpsEventError(f"{name} is given in both spellings: remove {camel_case(name)}")
        else:
            given[name] = item
    if unknown:
        raise SegOpsEventError(_describe(unknown, what, names))
    return given


def read_attributes(value: object, wanted: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of an object by the names of the fields, also of those that are spelled in camelCase.

    Args:
        value: The object.
        wanted: What is expected in its place, as the start of a message.
        names: The known fields, in snake_case.

    Raises:
        SegOpsEventError: It has none of them, or two spellings of one that differ.
    """
    given: dict[str, Any] = {}
    for key, name in _spellings(names).items():
        item = getattr(value, key, None)
        if item is None:
            continue
        if name in given and given[name] != item:
            raise SegOpsEventError(f"{name} is given in both spellings: remove {camel_case(name)}")
        given[name] = item
    if not given and not any(hasattr(value, key) for key in _spellings(names)):
        raise SegOpsEventError(f"{wanted}, or an object with one of {', '.join(names)}; got {type(value).__name__}")
    return given


def camel_case(name: str) -> str:
    """Return the spelling of the product's documents: `userId` for `user_id`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@cache
def _spellings(names: tuple[str, ...]) -> Mapping[str, str]:
    return {spelling: name for name in names for spelling in (name, camel_case(name))}


def _describe(unknown: Sequence[object], what: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(_suggest(key, names) for key in unknown[:_MAX_NAMED])
    more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
    keys = "key" if len(unknown) == 1 else "keys"
    return f"unknown {keys} in {what}: {shown}{more}; it takes {', '.join(names)}"


def _suggest(key: object, names: tuple[str, ...]) -> str:
    if not isinstance(key, str):
        return f"a key of type {type(key).__name__}"
    text = str.__str__(key)
    if not re.fullmatch(_PRESENTABLE, text, re.ASCII):  # it may be personal data, such as an e-mail address
        return f"a key of {len(text)} characters"
    likely = _likely(text, names)
    return f"{text!r} (did you mean {likely!r}?)" if likely else repr(text)


def _likely(key: str, names: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

    plain = _without_style(key)
    known = {_without_style(name): name for name in names}
    for name in names:
        if plain in _ALSO_KNOWN_AS.get(name, "").split():
            return name
    near = get_close_matches(plain, known, n=1, cutoff=0.7)
    return known[near[0]] if near else None


def _without_style(key: str) -> str:
    return re.sub(r"[\W_]", "", key).lower()
