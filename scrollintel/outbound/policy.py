"""Which addresses may be spoken to: an allow-list, checked against what a name resolves to, once, and pinned."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.config.base import Config, InvalidValue, Rule
from ..core.errors import ScrollIntelError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RESOLVE_TIMEOUT = 2.0
"""Seconds that the resolver may take."""
SOCKETS = "unix:"
"""How an entry begins that allows a Unix socket."""
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CARRIER = ipaddress.IPv4Network("100.64.0.0/10")
MAX_ENTRIES = 1000


class OutboundRefusedError(ScrollIntelError):
    """An address may not be spoken to; the text names it and the rule.

    Arguments:
        host: As it was asked for.
        why: The rule, one sentence.
    """

    code = "outbound_refused"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(host, why)
        self.host = host
        self.why = why

    def __str__(self) -> str:
        return f"{self.host!r} may not be reached: {self.why}"


class Pinned(NamedTuple):
    """Where a connection goes: the name for Host and certificate, and the addresses, all of which were checked."""

    host: str
    addresses: tuple[str, ...]
    port: int

    @property
    def address(self) -> str:
        """The first of the addresses."""
        return self.addresses[0]

    @property
    def server_name(self) -> str:
        """The name that the certificate has to be for."""
        return self.host.rstrip(".")


def _hosts() -> dict[str, Rule]:
    def convert(value: object) -> tuple[str, ...]:
        found = _texts(value)
        for text in found:
            name = text.removeprefix("*.")
            if not _NAME.fullmatch(name) and _network(text) is None:
                raise InvalidValue
        return found

    return {"rule": Rule(convert, "a list of host names, *.names, addresses and networks", dump=list)}


def _private() -> dict[str, Rule]:
    def convert(value: object) -> tuple[str, ...]:
        found = _texts(value)
        for text in found:
            if not (text.startswith(SOCKETS + "/") or _network(text) is not None):
                raise InvalidValue
        return found

    return {"rule": Rule(convert, 'a list of networks such as "127.0.0.0/8", or "unix:/path"', dump=list)}


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_ENTRIES:
        raise InvalidValue
    if not all(isinstance(item, str) for item in value):
        raise InvalidValue
    return tuple(value)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class OutboundPolicy(Config):
    """What the operator's file allows checks, webhooks and strategies to reach.

    Arguments:
        hosts: Names, addresses and networks that may be reached; `*.example.com` stands for the names below. Empty
            (default) allows every public address.
        private: Networks of loopback, private and link-local addresses that may be reached besides, and Unix sockets as
            `unix:/path`; none by default.
    """

    hosts: tuple[str, ...] = field(default=(), metadata=_hosts())
    private: tuple[str, ...] = field(default=(), metadata=_private())

    def pin(self, host: str, port: int, addresses: Sequence[str]) -> Pinned:
        """Return where a connection to a host goes, of the addresses that it has.

        All of them have to be allowed: a name that also stands for a forbidden one is refused as a whole.

        Raises:
            OutboundRefusedError: when one is not allowed, or there is none.
        """
        listed = self._lists(host)
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in addresses]
        if not found:
            raise OutboundRefusedError(host, "it has no address")
        for address in found:
            self._require(host, address, listed)
        return Pinned(host, tuple(map(str, found)), port)

    def permit(self, host: str, port: int) -> Pinned:
        """Resolve a host once, within `RESOLVE_TIMEOUT`, and return where to connect.

        Raises:
            OutboundRefusedError: when it may not be reached.
            OSError: when the name cannot be resolved, in time or at all.
        """
        literal = check_host(host, port)
        if literal is not None:
            return self.pin(host, port, [str(literal)])
        return self.pin(host, port, _addresses(_resolved(host, port)))

    async def permit_async(self, host: str, port: int) -> Pinned:
        """Do the same on an event loop.

        Raises:
            OutboundRefusedError: when it may not be reached.
            OSError: when the name cannot be resolved, in time or at all.
        """
        literal = check_host(host, port)
        if literal is not None:
            return self.pin(host, port, [str(literal)])
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return self.pin(host, port, _addresses(found))

    def permit_socket(self, path: str) -> str:
        """Return the path of a Unix socket that may be used; raises OutboundRefusedError."""
        if f"{SOCKETS}{path}" not in self.private:
            raise OutboundRefusedError(f"{SOCKETS}{path}", "it is not listed in outbound.private")
        return path

    def _lists(self, host: str) -> bool:
        """Tell whether a name is allowed by itself."""
        name = host.lower().rstrip(".")
        return any(
            name.endswith(entry[1:].lower()) if entry.startswith("*.") else name == entry.lower()
            for entry in self.hosts
        )

    def _require(self, host: str, address: Address, listed: bool) -> None:
        for inner in _meant(address):
            if not is_public(inner):
                if not any(inner in network for network in self._networks(self.private)):
                    raise OutboundRefusedError(host, f"{inner} is not public and not listed in outbound.private")
            elif self.hosts and not listed and not any(inner in network for network in self._networks(self.hosts)):
                raise OutboundRefusedError(host, "it is not listed in outbound.hosts")

    @staticmethod
    def _networks(entries: Sequence[str]) -> Iterator[Network]:
        return (network for entry in entries if (network := _network(entry)) is not None)


def check_host(host: str, port: int) -> Address | None:
    """Return the address that a host is written as, or None for a name.

    Raises:
        OutboundRefusedError: for what is neither: other spellings of addresses, white space, user names, bad ports.
    """
    if not 1 <= port <= 65535:
        raise OutboundRefusedError(host, "a port is a number from 1 to 65535")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        if _NUMERIC.fullmatch(host.rstrip(".")):
            raise OutboundRefusedError(host, "an IPv4 address is written as four decimal numbers") from None
    name = host.removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise OutboundRefusedError(host, "it is neither a host name in ASCII nor an address")
    return None


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public Internet."""
    return address.is_global and not (address.is_multicast or address.is_reserved or address in _CARRIER)


def _meant(address: Address) -> Iterator[Address]:
    """Yield an address and the IPv4 addresses that are wrapped in it: mapped, 6to4, Teredo, NAT64."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _resolved(host: str, port: int) -> Sequence[tuple[object, ...]]:
    """Ask the system's resolver, which has no time limit of its own; a thread that it holds up is left to end alone."""
    answer: Future[Sequence[tuple[object, ...]]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # raised again by whoever waits
            answer.set_exception(error)

    threading.Thread(target=ask, name="scrollintel-resolve", daemon=True).start()
    return answer.result(RESOLVE_TIMEOUT)


def _addresses(found: Sequence[tuple[object, ...]]) -> list[str]:
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))  # type: ignore[index]  # a socket address
