"""Which addresses checks and strategies speak to, and whether the outbound tables let them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .recovery_sections import OutboundSettings

Address = tuple[str, int | None]
"""A host in lower case and a port."""


def addresses(options: Mapping[str, Any]) -> Iterator[Address]:  # Any: JSON values of mixed types
    """Yield the hosts that options name: in `host` with `port`, `url`, `address`, or in the list `candidates`."""
    port = options.get("port")
    if isinstance(options.get("host"), str):
        yield options["host"].strip("[]").lower(), port if isinstance(port, int) else None
    candidates = options.get("candidates")
    listed = candidates if isinstance(candidates, list) else []
    for text in (options.get("url"), options.get("address"), *listed):
        if isinstance(text, str):
            try:
                parts = urlsplit(text if "://" in text else f"//{text}")
                found = parts.hostname, parts.port
            except ValueError:
                continue
            if found[0] and "{" not in found[0]:
                yield found[0].lower(), found[1]


def refusal(host: str, outbound: OutboundSettings) -> str | None:
    """Return what is missing for a host to be reached, or None; other names than localhost are not looked up."""
    known = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(known)
    except ValueError:
        address = None
    if address is not None and not address.is_global:
        if any(address in ipaddress.ip_network(network) for network in outbound.private):
            return None
        return f'outbound.private = ["{address}"], because {host} is not a public address'
    if not outbound.hosts or any(_stands_for(entry, host, address) for entry in outbound.hosts):
        return None
    return f'outbound.hosts = ["{host}"], because only what is listed there may be reached'


def _stands_for(entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry)
        except ValueError:
            return False
    return host.endswith(entry[1:]) if entry.startswith("*.") else host == entry
