"""What the settings accept beyond the rules of the engine's configurations, and how a variable's text is read."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core.config.base import InvalidValue, Rule, name_problem
from ..core.errors import ConfigError
from ..security.access import Binding, Role
from ..security.loopback import is_this_machine

_MAX_TEXT = 4096
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def setting(
    rule: Mapping[str, Rule], *, parse: Callable[[str], object] = str, secret: bool = False, path: bool = False
) -> dict[str, Any]:  # Any: the metadata of a dataclass field
    """Return the metadata of a setting.

    Arguments:
        rule: What it accepts.
        parse: Reads the text of an environment variable; text that it cannot read is returned as it is, for the rule
            to refuse.
        secret: Whether the value may hold a secret and is never shown whole.
        path: Whether it names a file; in a settings file a relative name starts at the file's own folder.
    """
    return {**rule, "parse": parse, "secret": secret, "path": path}


# ------------------------------------------------------------------ rules


def text(*, optional: bool = False) -> dict[str, Rule]:
    """Accept one line of text that is not blank."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.strip() or not value.isprintable():
            raise InvalidValue
        return value

    return {"rule": Rule(convert, "one line of text, not blank", optional=optional)}


def switch() -> dict[str, Rule]:
    """Accept True, False, or None for "decide yourself"."""

    def convert(value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue
        return value

    return {"rule": Rule(convert, "True or False", optional=True)}


def path(*, optional: bool = True) -> dict[str, Rule]:
    """Accept the name of a file or folder; `~` stands for the user's home."""

    def convert(value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value).strip() or not str(value).isprintable():
            raise InvalidValue
        try:
            return Path(value).expanduser()
        except RuntimeError:  # no such user
            raise InvalidValue from None

    return {"rule": Rule(convert, "the path of a file or folder", optional=optional, dump=str)}


def host() -> dict[str, Rule]:
    """Accept an IP address or a host name."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not value or len(value) > 253:
            raise InvalidValue
        try:
            return str(ipaddress.ip_address(value.strip("[]")))
        except ValueError:
            labels = value.removesuffix(".").split(".")
        if labels[-1].isdigit() or not all(_is_label(label) for label in labels):
            raise InvalidValue
        return value.lower()

    return {"rule": Rule(convert, "an IP address or a host name")}


def hosts() -> dict[str, Rule]:
    """Accept a list of IP addresses and host names."""
    one = host()["rule"]

    def convert(value: object) -> tuple[str, ...]:
        return tuple(one.convert(item) for item in _texts(value))

    return {"rule": Rule(convert, "a list of IP addresses or host names", dump=list)}


def _is_label(label: str) -> bool:
    plain = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= 63 and plain.isascii() and plain.isalnum()


def networks() -> dict[str, Rule]:
    """Accept a list of IP addresses and networks such as 10.0.0.0/8."""

    def convert(value: object) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(item)) for item in _texts(value))
        except ValueError:
            raise InvalidValue from None

    return {"rule": Rule(convert, "a list of IP addresses or networks", dump=list)}


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidValue
    return tuple(value)


def texts(*, allowed: str, choices: frozenset[str] | None = None, optional: bool = False) -> dict[str, Rule]:
    """Accept a list of texts that is not empty, out of `choices` when they are given."""

    def convert(value: object) -> tuple[str, ...]:
        listed = _texts(value)
        if not listed or not all(item.strip() for item in listed) or (choices is not None and set(listed) - choices):
            raise InvalidValue
        return listed

    return {"rule": Rule(convert, allowed, optional=optional, dump=list)}


def web_url() -> dict[str, Rule]:
    """Accept an https address, or an http one of this machine; the trust in tokens rests on it."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or " " in value:
            raise InvalidValue
        try:
            parts = urlsplit(value)
            known = parts.hostname, parts.port  # the port is parsed when it is asked for
        except ValueError:
            raise InvalidValue from None
        plain = parts.scheme == "http" and is_this_machine(known[0] or "")
        if not known[0] or parts.username or parts.fragment or not (parts.scheme == "https" or plain):
            raise InvalidValue
        return value

    allowed = "an https address without user name (http for addresses of this machine)"
    return {"rule": Rule(convert, allowed, optional=True)}


DATABASES = ("sqlite", "postgresql")


def database_url() -> dict[str, Rule]:
    """Accept the address of an SQLite file or of a PostgreSQL database."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise InvalidValue
        scheme, separator, rest = value.partition("://")
        known = scheme in DATABASES or scheme == "postgresql+psycopg"
        # In memory nothing survives, and every connection would see a database of its own.
        in_memory = scheme == "sqlite" and (rest in {"", "/"} or ":memory:" in rest or not rest.startswith("/"))
        if not separator or not known or not rest or in_memory:
            raise InvalidValue
        return value

    allowed = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    return {"rule": Rule(convert, allowed, optional=True)}


Grants = tuple[tuple[str, tuple[Binding, ...]], ...]
"""Group → what its members may do, as tuples because settings are frozen."""


def grants() -> dict[str, Rule]:
    """Accept which groups of the identity provider have which roles for which services."""

    def convert(value: object) -> Grants:
        if isinstance(value, tuple):  # as this rule itself gives it
            return value
        if not isinstance(value, Mapping):
            raise InvalidValue
        return tuple((_name(group), tuple(_binding(entry) for entry in _list(rows))) for group, rows in value.items())

    def dump(value: Grants) -> dict[str, list[dict[str, object]]]:
        return {
            group: [{"role": binding.role.value, "services": list(binding.services)} for binding in bindings]
            for group, bindings in value
        }

    allowed = f'group = [{{role = one of {", ".join(Role)}, services = list of names or ["*"]}}]'
    return {"rule": Rule(convert, allowed, dump=dump)}


def _name(value: object) -> str:
    if name_problem(value):
        raise InvalidValue
    assert isinstance(value, str)
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise InvalidValue
    return value


def _binding(entry: object) -> Binding:
    if not isinstance(entry, Mapping) or set(entry) != {"role", "services"}:
        raise InvalidValue
    try:
        return Binding(entry["role"], _texts(entry["services"]))
    except ConfigError:
        raise InvalidValue from None


# ------------------------------------------------------------------ the text of a variable


def parse_whole(text: str) -> object:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        return text


def parse_number(text: str) -> object:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        return text


def parse_switch(text: str) -> object:
    """Read yes or no: 1, true, yes, on, 0, false, no or off."""
    lowered = text.strip().lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else text


def parse_list(text: str) -> object:
    """Read a list of texts with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_json(text: str) -> object:
    """Read a JSON value."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
