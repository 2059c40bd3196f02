"""What fields of options accept that name addresses, headers and texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..core.config.base import InvalidValue, Rule
from .references import has_reference, is_reference

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,10}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")


def is_http_url(text: str) -> bool:
    """Tell whether a text is an http or https address with a host, and without a name or password in it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = not _CONTROL.search(text) and " " not in text and parts.username is None and parts.password is None
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and len(text) <= 2000


def http_url(*, referenced: bool = False, optional: bool = False) -> dict[str, Rule]:
    """Accept an http or https address; with `referenced` also a reference to a secret that holds one."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not (is_http_url(value) or (referenced and is_reference(value))):
            raise InvalidValue
        return value

    words = "an http or https address without name and password in it" + (
        ", or {env:NAME} or {file:PATH} that holds one" if referenced else ""
    )
    return {"rule": Rule(convert, words, optional=optional, schema={"type": "string", "maxLength": 2000})}


def line(
    *, maximum: int = 500, pattern: str | None = None, words: str | None = None, optional: bool = False
) -> dict[str, Rule]:
    """Accept one line of text of 1 to `maximum` characters, which fits `pattern` as a whole when one is given."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > maximum or _CONTROL.search(value):
            raise InvalidValue
        if pattern is not None and re.fullmatch(pattern, value) is None:
            raise InvalidValue
        return value

    allowed = words or f"one line of 1 to {maximum} characters"
    return {"rule": Rule(convert, allowed, optional=optional, schema={"type": "string", "maxLength": maximum})}


def host(*, optional: bool = False) -> dict[str, Rule]:
    """Accept a host name or an address."""
    return line(pattern=_HOST.pattern, maximum=253, words="a host name or an address", optional=optional)


def headers() -> dict[str, Rule]:
    """Accept a mapping of at most 50 header fields to texts; a value may hold references to secrets."""

    def convert(value: object) -> dict[str, str]:
        if not isinstance(value, Mapping) or len(value) > 50:
            raise InvalidValue
        for key, text in value.items():
            if not isinstance(key, str) or not _TOKEN.fullmatch(key) or key.lower() in _OWN:
                raise InvalidValue
            if not isinstance(text, str) or len(text) > 4000 or _CONTROL.search(text) or not text.isascii():
                raise InvalidValue
            if key.lower() in _SENSITIVE and not has_reference(text):
                raise InvalidValue
        return dict(value)

    words = (
        "header fields with ASCII texts; authorization, cookie and x-api-key by reference ({env:NAME}, {file:PATH}), "
        "and none of host, content-length, transfer-encoding, connection"
    )
    return {"rule": Rule(convert, words, dump=dict, schema={"type": "object"})}


_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"})
_SENSITIVE = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


def mail_addresses(*, single: bool = False) -> dict[str, Rule]:
    """Accept a list of 1 to 50 plain mail addresses, or with `single` one such address."""

    def convert(value: object) -> tuple[str, ...] | str:
        if single:
            if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
                raise InvalidValue
            return value
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise InvalidValue
        listed = tuple(value)
        if not 1 <= len(listed) <= 50 or not all(isinstance(item, str) and _ADDRESS.fullmatch(item) for item in listed):
            raise InvalidValue
        return listed

    words = "a mail address" if single else "a list of 1 to 50 mail addresses"
    if single:
        return {"rule": Rule(convert, words, schema={"type": "string"})}
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50}
    return {"rule": Rule(convert, words, dump=list, schema=schema)}


def texts(*, minimum: int = 1, maximum: int = 50, pattern: str, words: str) -> dict[str, Rule]:
    """Accept a list of different texts that each fit `pattern` as a whole."""

    def convert(value: object) -> tuple[str, ...]:
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise InvalidValue
        listed = tuple(value)
        if not minimum <= len(listed) <= maximum or len(set(map(str, listed))) != len(listed):
            raise InvalidValue
        if not all(isinstance(item, str) and re.fullmatch(pattern, item) for item in listed):
            raise InvalidValue
        return listed

    schema = {"type": "array", "items": {"type": "string"}, "minItems": minimum, "maxItems": maximum}
    return {"rule": Rule(convert, words, dump=list, schema=schema)}
