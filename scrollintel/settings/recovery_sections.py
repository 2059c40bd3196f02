"""The tables of `scrollintel.toml` that say how far recovery goes and what it may speak to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from ..core.config.base import Config, InvalidValue, Rule, boolean, choice, integer, number
from ..core.config.lists import is_line, rows, texts
from ..outbound.policy import SOCKETS, OutboundPolicy
from ..recovery.target import Mode
from ..recovery.windows import Window
from . import rules
from .rules import parse_json, parse_list, parse_number, parse_switch, parse_whole, setting

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class RecoverySettings(Config):
    """How far recovery goes, over all services.

    Arguments:
        mode: observe (default) or recover, for services that name none.
        engine_url: Where recoveries in progress are kept; None (default) is the SQLite file `recovery.db` in the data
            directory.
        max_running: Recoveries at once; 1 to 1000, default 5.
        storm_share: Share of a group of at least three that may need recovery before automation stops until a person
            releases it; above 0 and at most 1, default 0.3.
        storm_recoveries: Recoveries within `storm_window` from which automation stops as well; 1 to 10,000, default 10.
        storm_window: Seconds over which recoveries are counted for that; 1 to 86,400, default 600.
        heartbeat_socket: Unix socket that takes heartbeats of local programs; None (default) opens none.
        freeze: Whether nothing is repaired at all; default False.
        windows: Times in which nothing is repaired at all, as tables headed `[[recovery.windows]]`; none by default.
        plugins: Modules, or Python files beside the settings file, that bring checks and strategies of their own; none
            by default. Each is imported once.
    """

    _: KW_ONLY
    mode: Mode = field(default=Mode.OBSERVE, metadata=setting(choice(Mode)))
    engine_url: str | None = field(default=None, metadata=setting(rules.database_url(), secret=True))
    max_running: int = field(
        default=5, metadata=setting(integer(minimum=1, maximum=1000, unit="recoveries"), parse=parse_whole)
    )
    storm_share: float = field(default=0.3, metadata=setting(number(above=True, maximum=1.0), parse=parse_number))
    storm_recoveries: int = field(
        default=10, metadata=setting(integer(minimum=1, maximum=10_000, unit="recoveries"), parse=parse_whole)
    )
    storm_window: float = field(
        default=600.0, metadata=setting(number(minimum=1.0, maximum=86_400.0, unit="seconds"), parse=parse_number)
    )
    heartbeat_socket: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    freeze: bool = field(default=False, metadata=setting(boolean(), parse=parse_switch))
    windows: tuple[Window, ...] = field(default=(), metadata=setting(rows(Window, maximum=100), parse=parse_json))
    plugins: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            texts(words="a list of at most 100 names of modules or paths of .py files", minimum=0, maximum=100),
            parse=parse_list,
        ),
    )


def outbound_hosts() -> dict[str, Rule]:
    """Accept names, `*.` and a name, addresses and networks."""

    def convert(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > 1000 or not all(is_line(item, 253) for item in value):
            raise InvalidValue
        return tuple(one(str(item)) for item in value)

    def one(text: str) -> str:
        try:
            return str(ipaddress.ip_network(text)) if "/" in text else str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            numeric = text.rpartition(".")[2].isdigit()
            if "/" in text or numeric or not _HOST.fullmatch(text) or ".." in text:
                raise InvalidValue from None
            return text.lower()

    allowed = "a list of at most 1000 host names, *.example.com, IP addresses or networks"
    return {"rule": Rule(convert, allowed, dump=list)}


def outbound_private() -> dict[str, Rule]:
    """Accept addresses, networks, and `unix:` with the path of a socket."""

    def convert(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > 1000 or not all(is_line(item, 253) for item in value):
            raise InvalidValue
        try:
            return tuple(
                item if item.startswith(f"{SOCKETS}/") else str(ipaddress.ip_network(item)) for item in map(str, value)
            )
        except ValueError:
            raise InvalidValue from None

    allowed = "a list of at most 1000 IP addresses, networks, or unix: with the path of a socket"
    return {"rule": Rule(convert, allowed, dump=list)}


@dataclass(frozen=True, slots=True)
class OutboundSettings(Config):
    """Which addresses checks, strategies and notifications may speak to.

    Arguments:
        hosts: Names, addresses and networks that may be reached; `*.example.com` stands for the names below. An empty
            list (default) allows every public address.
        private: Networks of loopback, private and link-local addresses that may be reached besides, and Unix sockets
            as `unix:/path`; none by default.
    """

    _: KW_ONLY
    hosts: tuple[str, ...] = field(default=(), metadata=setting(outbound_hosts(), parse=parse_list))
    private: tuple[str, ...] = field(default=(), metadata=setting(outbound_private(), parse=parse_list))

    @property
    def policy(self) -> OutboundPolicy:
        """The same for those who speak."""
        return OutboundPolicy(hosts=self.hosts, private=self.private)
